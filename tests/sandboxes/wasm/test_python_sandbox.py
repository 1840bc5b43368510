"""A Python sandbox carries a run in and its ending out; a spent or closed one is never used."""

from __future__ import annotations

import hashlib
import os

import pytest

from protocol.messages import Error, Verdict
from protocol.values import decode, encode
from sandboxes.base import HostAnswer, RunOver
from sandboxes.errors import SandboxBroken
from tests.sandboxes.wasm.engine_kit import Bench, Recorder, limits, order

#: A hostile guest finds our own code in it, and speaks to the host by itself.
OURS = """import sys
frame = sys._getframe()
while "hostside" not in frame.f_globals:
    frame = frame.f_back
wire, ports = frame.f_globals["wire"], frame.f_globals["hostside"].ports
"""


# --- a run ---------------------------------------------------------------------------------------
def test_output_comes_out_and_a_script_that_ends_has_ended_well(bench: Bench) -> None:
    host = Recorder()
    ended = bench.run(order("import sys\nprint('a\u00f6')\nprint('b', file=sys.stderr)"), host)
    assert (ended.verdict, ended.exit_code, ended.error) == (Verdict.OK, 0, None)
    assert host.out == {"stdout": "a\u00f6\n".encode(), "stderr": b"b\n"}


@pytest.mark.parametrize(
    ("source", "verdict", "exit_code", "error"),
    [
        ("raise SystemExit", Verdict.OK, 0, None),
        ("import sys; sys.exit(3)", Verdict.EXIT, 3, None),
        ("1/0", Verdict.EXCEPTION, 1, "ZeroDivisionError"),
        ("raise KeyboardInterrupt", Verdict.EXCEPTION, 1, "KeyboardInterrupt"),
        ("import os; os._exit(4)", Verdict.EXIT, 1, None),
        ("import os; os._exit(0)", Verdict.OK, 0, None),
        ("import os; os.abort()", Verdict.CRASHED, None, "GuestCrashed"),
        ("x = bytearray(10**9)", Verdict.MEMORY, None, "MemoryError"),
    ],
)
def test_every_ending_has_its_own_verdict(
    bench: Bench, source: str, verdict: Verdict, exit_code: int | None, error: str | None
) -> None:
    ended = bench.run(order(source))
    assert (ended.verdict, ended.exit_code) == (verdict, exit_code)
    assert (ended.error and ended.error.name) == error


def test_a_value_and_its_large_parts_come_out(bench: Bench) -> None:
    ended = bench.run(order("{'small': 1, 'large': bytes(100_000)}", mode="cell"))
    assert ended.value is not None
    assert decode(ended.value, list(ended.out_of_band)) == {"small": 1, "large": bytes(100_000)}


@pytest.mark.parametrize("data", [b"ascii" * 20_000, os.urandom(100_000), b""])
def test_inputs_and_their_large_parts_go_in(bench: Bench, data: bytes) -> None:
    sent = encode({"data": data, "n": 7})
    said = bench.say(
        "import hashlib\nprint(n, len(data), hashlib.sha256(data).hexdigest())",
        inputs=[sent.body, *map(bytes, sent.buffers)],
    )
    assert said.split() == ["7", str(len(data)), hashlib.sha256(data).hexdigest()]


def test_arguments_variables_and_input_are_those_of_the_run(bench: Bench) -> None:
    said = bench.say(
        "import sys, os\nprint(sys.argv, dict(os.environ), sys.stdin.read())",
        argv=["a", "b"],
        env={"K": "v"},
        stdin=b"from the host",
    )
    assert said == "['main.py', 'a', 'b'] {'K': 'v'} from the host\n"


def test_a_guest_sees_nothing_of_the_host_unless_it_is_given(bench: Bench) -> None:
    said = bench.say(
        "import sys, os\n"
        "print(dict(os.environ), sys.argv, sys.stdin.read())\n"
        "for path in ('/', '/etc', '/work', '/cellblock', '/proc', '.'):\n"
        "    try: print(path, os.listdir(path))\n"
        "    except OSError as error: print(type(error).__name__)\n"
    )
    assert said.splitlines() == ["{} ['main.py'] ", *["FileNotFoundError"] * 6]


def test_bytes_written_to_the_descriptors_of_the_streams_are_captured(bench: Bench) -> None:
    host = Recorder()
    bench.run(order("import os\nos.write(1, b'out\\xff'); os.write(2, b'err')"), host)
    assert host.out == {"stdout": b"out\xff", "stderr": b"err"}


def test_bytes_that_are_no_text_come_out_as_they_are(bench: Bench) -> None:
    host = Recorder()
    bench.run(order("import sys\nsys.stdout.buffer.write(bytes(range(256)) * 40)"), host)
    assert host.out["stdout"] == bytes(range(256)) * 40


def test_output_over_its_cap_is_cut_and_flagged(bench: Bench) -> None:
    for size, is_cut in ((1_000, False), (1_001, True)):
        host = Recorder()
        bound = limits(stdout_bytes=1_000, stderr_bytes=1_000)
        bench.run(order(f"print('x' * {size}, end='')", bound=bound), host)
        assert host.stdout == "x" * 1_000
        assert ("stdout" in host.cut) is is_cut


def test_log_entries_and_progress_reach_the_host(bench: Bench) -> None:
    host = Recorder()
    log = "import host, logging\nlogging.getLogger('a').warning('w %d', 1)"
    bench.run(order(f"{log}\nhost.progress(0.5, 'half')"), host)
    assert [(level, name, text) for level, name, text, _ in host.logs] == [(30, "a", "w 1")]
    assert host.notes == [(500, "half")]


def test_live_input_is_asked_for_when_it_is_read(bench: Bench) -> None:
    host = Recorder()
    host.input = b"one\ntwo\n"
    ended = bench.run(order("print(input(), input())", stdin_live=True), host)
    assert (ended.verdict, host.stdout) == (Verdict.OK, "one two\n")


def test_usage_tells_time_and_memory(bench: Bench) -> None:
    source = "x = bytearray(40 << 20)\nfor i in range(300_000): pass"
    usage = bench.run(order(source)).usage
    assert 0 < usage.cpu_us <= usage.wall_us * 2
    assert usage.peak_memory_bytes > 40 << 20
    assert bench.run(order("")).usage.peak_memory_bytes < 40 << 20


def test_a_source_that_is_no_text_is_a_syntax_error(bench: Bench) -> None:
    ended = bench.run(order(b"print('\xff')"))
    assert ended.error is not None
    assert (ended.verdict, ended.error.name) == (Verdict.EXCEPTION, "SyntaxError")


# --- host functions ------------------------------------------------------------------------------
def test_a_host_function_gets_the_arguments_and_its_value_comes_back(bench: Bench) -> None:
    host = Recorder()
    host.answer = lambda _, arguments: HostAnswer(encode(["got", *decode(arguments)]).body)  # type: ignore[misc]  # a list
    ended = bench.run(order("import host\nprint(host.f(1, k='\u00e9'))", functions=["f"]), host)
    assert (ended.verdict, host.stdout) == (Verdict.OK, "['got', [1], {'k': '\u00e9'}]\n")
    assert [name for name, _, _ in host.calls] == ["f"]


def test_large_arguments_and_values_cross_in_calls(bench: Bench) -> None:
    host, large = Recorder(), os.urandom(200_000)
    answer = encode(large)

    def reply(_: str, __: bytes) -> HostAnswer:
        return HostAnswer(answer.body, buffers=[bytes(b) for b in answer.buffers])

    host.answer = reply
    source = "import host\nx = host.f(bytes(150_000))\nprint(len(x), x[:4].hex())"
    bench.run(order(source, functions=["f"]), host)
    assert host.stdout == f"200000 {large[:4].hex()}\n"
    _, body, buffers = host.calls[0]
    assert decode(body, buffers) == [[bytes(150_000)], {}]


def test_an_error_of_a_host_function_is_an_exception_that_the_guest_may_catch(bench: Bench) -> None:
    host = Recorder()
    host.answer = lambda *_: HostAnswer(error=Error("ValueError", "no such thing"))
    source = "import host\ntry: host.f()\nexcept ValueError as error: print(error)"
    ended = bench.run(order(source, functions=["f"]), host)
    assert (ended.verdict, host.stdout) == (Verdict.OK, "no such thing\n")


@pytest.mark.parametrize("verdict", [Verdict.HOST_CALLS, Verdict.TIMEOUT, Verdict.CANCELLED])
def test_a_run_that_is_over_in_a_call_ends_with_its_verdict_and_cannot_catch_it(
    bench: Bench, verdict: Verdict
) -> None:
    host = Recorder()

    def over(_: str, __: bytes) -> HostAnswer:
        raise RunOver(verdict)

    host.answer = over
    source = (
        "import host\nprint('before')\nwhile True:\n"
        "    try: host.f()\n    except BaseException: pass\n    finally: print('after')"
    )
    ended = bench.run(order(source, functions=["f"]), host)
    assert (ended.verdict, ended.reusable) == (verdict, False)
    assert host.stdout == "before\n"


def test_a_failure_of_the_host_is_ours_and_does_not_reach_the_guest(bench: Bench) -> None:
    host = Recorder()

    def fail(_: str, __: bytes) -> HostAnswer:
        raise OSError("the socket is gone")

    host.answer = fail
    wanted = order(
        "import host\ntry: host.f()\nexcept BaseException: print('caught')", functions=["f"]
    )
    with pytest.raises(SandboxBroken, match="the socket is gone"):
        bench.run(wanted, host)
    assert host.stdout == ""


def test_a_failure_of_the_host_while_the_guest_writes_to_a_descriptor_is_ours(bench: Bench) -> None:
    host = Recorder()
    host.raises = OSError("the socket is gone")
    wanted = order("import os\ntry: os.write(1, b'x')\nexcept OSError: pass")
    with pytest.raises(SandboxBroken, match="the socket is gone"):
        bench.run(wanted, host)


# --- a guest that lies ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    "lie",
    [
        "ports.emit(0, 'x')",
        "ports.emit(255, 'x')",
        "ports.emit(3, 'not json')",
        "ports.emit(3, '[1, 2, 3]')",
        "ports.emit(4, '[5000, \"\"]')",
        "ports.emit(3, '[' * 100_000)",
        "ports.emit(5, '\\u1234')",
        "ports.emit(4, ' ' * (40 << 20))",
        "sys.modules['wit_world'].call('f', 'no header')",
        "sys.modules['wit_world'].call('f', '{}\\n')",
        "sys.modules['wit_world'].call('f', '{\"pieces\":[[\"/etc/passwd\",10,0]]}\\n')",
        "sys.modules['wit_world'].call('f', '{\"pieces\":[99]}\\nx')",
    ],
)
def test_what_a_guest_says_against_the_rules_ends_it_as_crashed(bench: Bench, lie: str) -> None:
    host = Recorder()
    ended = bench.run(order(f"{OURS}try: {lie}\nexcept BaseException: pass"), host)
    assert (ended.verdict, ended.reusable) == (Verdict.CRASHED, False)
    assert ended.error is not None
    assert "rules" in ended.error.message
    assert host.calls == []


@pytest.mark.parametrize(
    "reply",
    ["''", "'x'", "'{}\\n'", "'[]\\n'", "'{\"verdict\":\"timeout\",\"pieces\":[0,0]}\\n'",
     "'{\"verdict\":\"ok\",\"pieces\":[0,0],\"exit_code\":1e9}\\n'",
     "'{\"verdict\":\"ok\",\"pieces\":[5,0]}\\n'"],
)  # fmt: skip
def test_a_reply_that_is_none_is_a_crash(bench: Bench, reply: str) -> None:
    source = f"{OURS}wire.pack_reply = lambda reply: {reply}"
    ended = bench.run(order(source))
    assert (ended.verdict, ended.reusable) == (Verdict.CRASHED, False)


def test_a_reply_over_every_cap_is_not_even_read(bench: Bench) -> None:
    source = f"{OURS}wire.pack_reply = lambda reply: 'x' * (20 << 20)"
    bound = limits(value_bytes=1_000, stdout_bytes=1_000, stderr_bytes=1_000)
    assert bench.run(order(source, bound=bound)).verdict is Verdict.VALUE


# --- the life of a sandbox -----------------------------------------------------------------------
def test_two_fresh_sandboxes_share_nothing(bench: Bench) -> None:
    bench.say("import builtins, sys\nbuiltins.leak = sys.leak = 1")
    assert bench.say(
        "import builtins, sys\nprint(hasattr(builtins, 'leak'), hasattr(sys, 'leak'))"
    ) == ("False False\n")


def test_random_numbers_differ_between_sandboxes(bench: Bench) -> None:
    said = {bench.say("import random, os\nprint(random.random(), os.urandom(8))") for _ in range(3)}
    assert len(said) == 3


def test_a_session_keeps_its_state_and_its_files(bench: Bench) -> None:
    sandbox = bench.fresh()
    host = Recorder()
    ended = [
        bench.run_in(sandbox, order(source, session=1, keep_files=True), host)
        for source in (
            "x = 1; open('a', 'w').write('kept')",
            "x += 1",
            "print(x, open('a').read())",
        )
    ]
    assert [e.verdict for e in ended] == [Verdict.OK] * 3
    assert [e.reusable for e in ended] == [True] * 3
    assert host.stdout == "2 kept\n"
    bench.thread.do(sandbox.close)


def test_a_session_goes_on_after_an_exception_and_after_memory_ran_out(bench: Bench) -> None:
    sandbox, host = bench.fresh(), Recorder()
    for source in ("x = 5", "1/0", "y = bytearray(10**9)", "print(x)"):
        assert bench.run_in(sandbox, order(source, session=1), host).reusable
    assert host.stdout == "5\n"
    bench.thread.do(sandbox.close)


def test_a_sandbox_left_by_a_trap_is_not_used_again(bench: Bench) -> None:
    sandbox = bench.fresh()
    assert not bench.run_in(sandbox, order("import os; os.abort()")).reusable
    with pytest.raises(SandboxBroken, match="stopped"):
        bench.run_in(sandbox, order("print(1)"))
    bench.thread.do(sandbox.close)


def test_closing_is_idempotent_and_a_closed_sandbox_is_not_used(bench: Bench) -> None:
    sandbox = bench.fresh()
    for _ in range(3):
        bench.thread.do(sandbox.close)
    sandbox.interrupt(Verdict.TIMEOUT)
    assert sandbox.files_bytes() == 0
    with pytest.raises(SandboxBroken, match="closed"):
        bench.run_in(sandbox, order("print(1)"))


def test_stock_serves_every_run_of_python_and_no_program(bench: Bench) -> None:
    fits = bench.backend.fits_stock
    assert fits(order("").run)
    assert fits(order("", files={"a": b""}, keep_files=True, env={"A": "b"}, session=3).run)
    assert not fits(order("", program="module").run)


def test_the_cells_memory_is_told(bench: Bench) -> None:
    assert 1 << 20 < bench.backend.heap_bytes() < 8 << 30
