// Node's side of the measurements: one JSON command on each line of standard input, one JSON answer.
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import { availableParallelism } from 'node:os';

const ECHO = `
const { parentPort } = require('node:worker_threads');
parentPort.on('message', ({ data, back }) => {
  if (back === 'size') parentPort.postMessage(data.byteLength);
  else if (back === 'clone') parentPort.postMessage(data);
  else if (back === 'transfer') parentPort.postMessage(data, [data]);
  else parentPort.postMessage(data);
});`;

const answerOf = (thread) => new Promise((resolve) => thread.once('message', resolve));

async function start({ count }) {
  const samples = [];
  for (let n = 0; n < count; n++) {
    const began = performance.now();
    const thread = new Worker(ECHO, { eval: true });
    thread.postMessage({ data: 'hello' });
    await answerOf(thread);
    samples.push(performance.now() - began);
    await thread.terminate();
  }
  return samples;
}

async function transfer({ bytes, count, how }) {
  const thread = new Worker(ECHO, { eval: true });
  thread.postMessage({ data: 'hello' });
  await answerOf(thread);
  const samples = { in: [], both: [] };
  for (let n = 0; n < count; n++) {
    for (const way of ['in', 'both']) {
      const data = new ArrayBuffer(bytes);
      new Uint8Array(data).fill(n);
      const list = how === 'transfer' ? [data] : [];
      const began = performance.now();
      thread.postMessage({ data, back: way === 'in' ? 'size' : how }, list);
      await answerOf(thread);
      samples[way].push(performance.now() - began);
    }
  }
  await thread.terminate();
  return samples;
}

let pool;
async function piscina({ tasks, threads }) {
  const { Piscina } = await import('piscina');
  if (!pool) {
    const filename = new URL('./tiny.mjs', import.meta.url).href;
    pool = new Piscina({ filename, minThreads: threads, maxThreads: threads });
    await Promise.all(Array.from({ length: 2000 }, (_, n) => pool.run(n)));
  }
  const began = performance.now();
  for (let done = 0; done < tasks; done += 1000) {
    await Promise.all(Array.from({ length: 1000 }, (_, n) => pool.run(n)));
  }
  return [performance.now() - began];
}

const COMMANDS = { start, transfer, piscina, hello: async () => [process.versions.node, availableParallelism()] };
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ answer: await COMMANDS[command](given) }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
process.exit(0);
