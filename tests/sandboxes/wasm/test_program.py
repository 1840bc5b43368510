"""A WASI program runs under the same limits as Python, and reaches only what it is given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from protocol.messages import Mount, Verdict
from sandboxes.base import Ended
from sandboxes.errors import SandboxBroken
from tests.sandboxes.wasm import programs
from tests.sandboxes.wasm.engine_kit import Bench, Recorder, limits, order, tree

PAGE_BYTES = 64 << 10


class Shelf:
    """Compiles programs and runs them."""

    def __init__(self, bench: Bench, folder: Path, *, fuel: bool = False) -> None:
        self.bench = bench
        self._folder = folder
        self._fuel = fuel

    def path(self, wat: str) -> str:
        return programs.compiled(self._folder, wat, fuel=self._fuel)

    def run(self, wat: str, **given: object) -> tuple[Ended, Recorder]:
        host = Recorder()
        wanted = order(self.path(wat), program="module", filename="prog.wasm", **given)  # type: ignore[arg-type]  # passed on
        return self.bench.run(wanted, host), host


@pytest.fixture
def shelf(bench: Bench, tmp_path: Path) -> Shelf:
    return Shelf(bench, tmp_path)


@pytest.fixture
def fuel_shelf(fuel_bench: Bench, tmp_path: Path) -> Shelf:
    return Shelf(fuel_bench, tmp_path, fuel=True)


def test_a_modules_streams_and_exit_code_come_out(shelf: Shelf) -> None:
    ended, host = shelf.run(programs.HELLO)
    assert (ended.verdict, ended.exit_code) == (Verdict.EXIT, 7)
    assert host.out == {"stdout": b"hello\n", "stderr": b"oops\n"}


def test_a_module_that_returns_has_ended_well(shelf: Shelf) -> None:
    ended, _ = shelf.run(programs.module(""))
    assert (ended.verdict, ended.exit_code, ended.error) == (Verdict.OK, 0, None)


@pytest.mark.parametrize("version", ["0.2.0", "0.2.3", "0.2.6"])
def test_a_component_of_any_0_2_release_runs(shelf: Shelf, version: str) -> None:
    ended, host = shelf.run(programs.component(version=version))
    assert (ended.verdict, ended.exit_code) == (Verdict.OK, 0)
    assert host.stdout == "component says hi\n"


def test_a_component_that_fails_exits_with_1(shelf: Shelf) -> None:
    ended, host = shelf.run(programs.component(ok=False))
    assert (ended.verdict, ended.exit_code) == (Verdict.EXIT, 1)
    assert host.stdout == "component says hi\n"


def test_arguments_and_variables_are_those_of_the_run_and_no_others(shelf: Shelf) -> None:
    _, host = shelf.run(programs.ARGUMENTS, argv=["one", "tw\u00f6"], env={"K": "v", "EMPTY": ""})
    assert host.out["stdout"] == "prog.wasm\0one\0tw\u00f6\0".encode()
    assert host.out["stderr"] == b"K=v\0EMPTY=\0"


def test_a_program_without_variables_sees_none_of_the_hosts(shelf: Shelf) -> None:
    _, host = shelf.run(programs.ARGUMENTS)
    assert host.out == {"stdout": b"prog.wasm\0", "stderr": b""}


@pytest.mark.parametrize("data", [None, b"", b"some input\x00\xff", b"x" * 100_000])
def test_input_is_what_was_given_and_then_its_end(shelf: Shelf, data: bytes | None) -> None:
    ended, host = shelf.run(programs.CAT, stdin=data)
    assert ended.verdict is Verdict.OK
    assert host.out["stdout"] == (data or b"")


def test_two_runs_of_one_program_share_nothing(shelf: Shelf) -> None:
    counts = programs.module(
        """(i32.store8 (i32.const 1024) (i32.add (i32.load8_u (i32.const 1024)) (i32.const 65)))
           (call $put (i32.const 1) (i32.const 1024) (i32.const 1))"""
    )
    assert [shelf.run(counts)[1].stdout for _ in range(3)] == ["A", "A", "A"]


# --- limits --------------------------------------------------------------------------------------
@pytest.mark.parametrize("verdict", [Verdict.TIMEOUT, Verdict.CANCELLED, Verdict.FILES])
def test_an_interrupt_ends_a_program_that_computes(shelf: Shelf, verdict: Verdict) -> None:
    wanted = order(shelf.path(programs.SPIN), program="module")
    ended, host = shelf.bench.run_until_interrupted(wanted, verdict)
    assert ended.verdict is verdict
    assert host.stdout == "ready\n"


def test_an_interrupt_ends_a_program_that_floods_its_output(shelf: Shelf) -> None:
    wanted = order(shelf.path(programs.FLOOD), program="module")
    host, sandbox = Recorder(), shelf.bench.fresh(wanted)
    wait = shelf.bench.thread.begin(lambda: sandbox.run(wanted, host))
    while not host.out["stdout"]:
        pass
    sandbox.interrupt(Verdict.TIMEOUT)
    assert wait().verdict is Verdict.TIMEOUT
    shelf.bench.thread.do(sandbox.close)


def test_a_start_function_that_never_ends_is_interrupted(shelf: Shelf) -> None:
    starts = programs.module("", before="(func $f (loop $l (br $l))) (start $f)")
    wanted = order(shelf.path(starts), program="module")
    sandbox = shelf.bench.fresh(wanted)
    wait = shelf.bench.thread.begin(lambda: sandbox.run(wanted, Recorder()))
    sandbox.interrupt(Verdict.TIMEOUT)  # before or while it runs: both count
    assert wait().verdict is Verdict.TIMEOUT
    shelf.bench.thread.do(sandbox.close)


@pytest.mark.parametrize(("spare_bytes", "exit_code"), [(0, 0), (-1, 1)])
def test_memory_grows_to_the_limit_and_not_one_byte_further(
    shelf: Shelf, spare_bytes: int, exit_code: int
) -> None:
    bound = limits(memory_bytes=400 * PAGE_BYTES + spare_bytes)
    ended, _ = shelf.run(programs.grower(400), bound=bound)
    assert ended.exit_code == exit_code
    assert ended.usage.peak_memory_bytes == (400 if exit_code == 0 else 1) * PAGE_BYTES


@pytest.mark.parametrize(("spare_bytes", "verdict"), [(0, Verdict.OK), (-1, Verdict.MEMORY)])
def test_a_program_that_begins_above_the_limit_ends_with_memory(
    shelf: Shelf, spare_bytes: int, verdict: Verdict
) -> None:
    bound = limits(memory_bytes=400 * PAGE_BYTES + spare_bytes)
    ended, _ = shelf.run(programs.module("", memory="400"), bound=bound)
    assert ended.verdict is verdict


def test_tables_cannot_grow_without_bound(shelf: Shelf) -> None:
    grows = programs.module(
        """(if (i32.eq (table.grow $t (ref.null func) (i32.const 10000000)) (i32.const -1))
             (then (call $exit (i32.const 3))))""",
        before="(table $t 1 funcref)",
    )
    assert shelf.run(grows)[0].exit_code == 3


def test_fuel_is_the_same_in_every_run_and_holds_to_the_last_unit(fuel_shelf: Shelf) -> None:
    counts = programs.module(
        """(local $i i32)
           (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))
             (br_if $l (i32.lt_u (local.get $i) (i32.const 10000))))"""
    )
    used = {fuel_shelf.run(counts, bound=limits(fuel=10**9))[0].usage.fuel for _ in range(3)}
    assert len(used) == 1
    (fuel,) = used
    assert fuel > 10_000
    for spare, verdict in ((0, Verdict.OK), (-1, Verdict.FUEL)):
        ended, _ = fuel_shelf.run(counts, bound=limits(fuel=fuel + spare))
        assert (ended.verdict, ended.usage.fuel) == (verdict, fuel + spare)


def test_a_limit_on_fuel_in_a_cell_that_counts_none_is_refused(shelf: Shelf) -> None:
    with pytest.raises(SandboxBroken, match="count fuel"):
        shelf.run(programs.HELLO, bound=limits(fuel=10**9))


@pytest.mark.parametrize(("spare_bytes", "verdict"), [(0, Verdict.OK), (-1, Verdict.FILES)])
def test_files_are_counted_to_the_last_byte(
    shelf: Shelf, tmp_path: Path, spare_bytes: int, verdict: Verdict
) -> None:
    (tmp_path / "data").mkdir()
    mounts = [Mount(str(tmp_path / "data"), "/data", writable=True)]
    bound = limits(files_bytes=50_000 + spare_bytes)
    ended, _ = shelf.run(programs.writer(50_000), mounts=mounts, bound=bound)
    assert (ended.verdict, ended.usage.files_bytes) == (verdict, 50_000)


def test_a_read_only_directory_is_not_written(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    mounts = [Mount(str(tmp_path / "data"), "/data")]
    ended, _ = shelf.run(programs.writer(100), mounts=mounts)
    assert (ended.verdict, ended.usage.files_bytes) == (Verdict.OK, 0)
    assert tree(tmp_path / "data") == {}


def test_files_by_value_go_in_and_come_out(shelf: Shelf) -> None:
    ended, _ = shelf.run(programs.writer(3), files={"in": b"x"}, keep_files=True)
    assert ended.files == {"out": b"\0\0\0"}


# --- endings and refusals ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("unreachable", "the guest aborted"),
        ("(call $deep)", "the guest's stack overflowed"),
        ("(i32.store (i32.const -4) (i32.const 1))", "the guest trapped: .*out of bounds.*"),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "the guest trapped: .*divide by zero"),
    ],
)
def test_a_trap_is_a_crash_in_calm_words(shelf: Shelf, start: str, words: str) -> None:
    ended, _ = shelf.run(programs.module(start, before="(func $deep (call $deep))"))
    assert ended.verdict is Verdict.CRASHED
    assert ended.error is not None
    assert re.fullmatch(words, ended.error.message)


@pytest.mark.parametrize(
    ("wat", "words"),
    [
        ('(module (import "env" "foo" (func)) (func (export "_start")))', "env::foo"),
        ('(module (func (export "main")))', "_start"),
        ('(module (memory (export "_start") 1))', "_start"),
        ("(component)", "wasi:cli/run"),
        (programs.component(imports='(import "my:own/thing" (func))'), "my:own/thing"),
        (programs.component(imports='(import "emit" (func (param "kind" u8)))'), "emit"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(shelf: Shelf, wat: str, words: str) -> None:
    ended, host = shelf.run(wat)
    assert ended.verdict is Verdict.EXCEPTION
    assert ended.error is not None
    assert ended.error.name == "ImageError"
    assert words in ended.error.message
    assert host.stdout == ""


def test_a_component_with_two_memories_is_refused(shelf: Shelf) -> None:
    two = """(component (core module $m (memory 1)) (core instance (instantiate $m))
      (core instance (instantiate $m))
      (core module $r (func (export "run") (result i32) (i32.const 0)))
      (core instance $i (instantiate $r))
      (func $run (result (result)) (canon lift (core func $i "run")))
      (instance $c (export "run" (func $run))) (export "wasi:cli/run@0.2.0" (instance $c)))"""
    ended, _ = shelf.run(two)
    assert ended.error is not None
    assert "more than one memory" in ended.error.message


@pytest.mark.parametrize("content", [None, b"", b"\0asm\x01\0\0\0", b"\x7fELF" + bytes(100)])
def test_a_file_that_is_no_compiled_program_is_refused(
    bench: Bench, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "prog"
    if content is not None:
        path.write_bytes(content)
    ended = bench.run(order(str(path), program="module"))
    assert ended.error is not None
    assert (ended.verdict, ended.error.name) == (Verdict.EXCEPTION, "ImageError")


def test_code_compiled_with_other_settings_is_refused(
    bench: Bench, fuel_bench: Bench, tmp_path: Path
) -> None:
    for cell, fuel in ((bench, True), (fuel_bench, False)):
        path = programs.compiled(tmp_path, programs.HELLO, fuel=fuel)
        ended = cell.run(order(path, program="module"))
        assert ended.error is not None
        assert ended.error.name == "ImageError"


def test_a_changed_file_is_loaded_anew(shelf: Shelf) -> None:
    path = Path(shelf.path(programs.HELLO))
    other = Path(shelf.path(programs.module("(call $exit (i32.const 9))")))
    assert shelf.bench.run(order(str(path), program="module")).exit_code == 7
    other.replace(path)
    assert shelf.bench.run(order(str(path), program="module")).exit_code == 9


def test_live_input_is_refused_for_a_program(shelf: Shelf) -> None:
    ended, _ = shelf.run(programs.CAT, stdin_live=True)
    assert ended.error is not None
    assert "not live" in ended.error.message


@pytest.mark.parametrize("given", [{"argv": ["a\0b"]}, {"env": {"K": "a\0b"}}])
def test_a_text_with_a_nul_is_refused_and_not_cut(shelf: Shelf, given: dict[str, object]) -> None:
    ended, _ = shelf.run(programs.ARGUMENTS, **given)
    assert ended.error is not None
    assert "NUL" in ended.error.message


def test_a_program_is_made_anew_for_each_run(shelf: Shelf) -> None:
    wanted = order(shelf.path(programs.HELLO), program="module")
    assert not shelf.bench.backend.fits_stock(wanted.run)
    sandbox = shelf.bench.fresh(wanted)
    assert shelf.bench.run_in(sandbox, wanted).reusable is False
    with pytest.raises(SandboxBroken, match="twice"):
        shelf.bench.run_in(sandbox, wanted)
    shelf.bench.thread.do(sandbox.close)
    with pytest.raises(SandboxBroken, match="closed"):
        shelf.bench.run_in(sandbox, wanted)


def test_a_host_that_fails_is_a_failure_of_ours(shelf: Shelf) -> None:
    host = Recorder()
    host.raises = OSError("no room")
    wanted = order(shelf.path(programs.HELLO), program="module")
    with pytest.raises(SandboxBroken, match="no room"):
        shelf.bench.run(wanted, host)
