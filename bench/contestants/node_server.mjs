// Runs worker_threads and piscina for the benchmark: a request in JSON a line, an answer a line.
// Seconds are by the clock of this process.
import { createInterface } from "node:readline";
import { Worker } from "node:worker_threads";
import { performance } from "node:perf_hooks";
import { writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ECHO = `
const { parentPort } = require("node:worker_threads");
parentPort.on("message", (m) => {
  if (m.sleep) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1e6);
  if (m.loop) for (;;) {}
  parentPort.postMessage(m.data ?? 1 + 1, m.move ? [m.data.buffer] : []);
});`;

const seconds = (from) => (performance.now() - from) / 1e3;
const fresh = () => new Worker(ECHO, { eval: true });
const ask = (worker, message, move = []) =>
  new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.postMessage(message, move);
  });

const held = [];
let pool;
let poolThreads = 0;

async function freshRun() {
  const worker = fresh();
  const value = await ask(worker, {});
  if (value !== 2) throw new Error(`it said ${value}`);
  await worker.terminate();
}

async function piscina(threads) {
  if (poolThreads !== threads) {
    await pool?.destroy();
    const { default: Piscina } = await import(join(process.cwd(), "node_modules/piscina/dist/main.js"));
    const file = join(tmpdir(), `cellblock-bench-${process.pid}.cjs`);
    writeFileSync(file, "module.exports = () => 1 + 1;");
    pool = new (Piscina.default ?? Piscina)({ filename: file, minThreads: threads, maxThreads: threads });
    poolThreads = threads;
    await pool.run({});
  }
  return pool;
}

const does = {
  async fresh() {
    const from = performance.now();
    await freshRun();
    return { seconds: seconds(from) };
  },
  async rate({ count, places }) {
    const from = performance.now();
    const share = async () => { for (let i = 0; i < count / places; i++) await freshRun(); };
    await Promise.all(Array.from({ length: places }, share));
    return { seconds: seconds(from) };
  },
  async poolRate({ count, places }) {
    const pool = await piscina(places);
    const from = performance.now();
    const share = async () => { for (let i = 0; i < count / places; i++) await pool.run({}); };
    await Promise.all(Array.from({ length: places }, share));
    return { seconds: seconds(from) };
  },
  async hold({ count }) {
    while (held.length < count) {
      const worker = fresh();
      await ask(worker, {});
      held.push(worker);
    }
    return { count: held.length };
  },
  async again({ number }) {
    const from = performance.now();
    await ask(held[number], {});
    return { seconds: seconds(from) };
  },
  async calls({ count }) {
    await does.hold({ count: 1 });
    const from = performance.now();
    for (let i = 0; i < count; i++) await ask(held[0], {});
    return { seconds: seconds(from) };
  },
  async echo({ size, move }) {
    await does.hold({ count: 1 });
    const bytes = randomBytes(Math.min(size, 1 << 20));
    const data = new Uint8Array(size);
    for (let at = 0; at < size; at += bytes.length) data.set(bytes.subarray(0, size - at), at);
    const from = performance.now();
    const back = await ask(held[0], { data, move }, move ? [data.buffer] : []);
    const spent = seconds(from);
    if (back.length !== size) throw new Error("other bytes came back");
    return { seconds: spent };
  },
  async late({ spin, deadline }) {
    await does.hold({ count: 1 });
    const worker = held[0];
    const from = performance.now();
    worker.postMessage({ [spin]: true });
    await new Promise((resolve) => setTimeout(resolve, deadline * 1e3));
    await worker.terminate();
    const ended = seconds(from) - deadline;
    held[0] = fresh();
    await ask(held[0], {});
    return { ended, usable: seconds(from) - deadline };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = await does[request.do](request);
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
process.exit(0);
