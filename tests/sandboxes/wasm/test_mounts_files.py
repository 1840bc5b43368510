"""Files by value and large inputs reach a guest, come back changed, and keep to their limit."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from protocol.messages import Mount, Verdict
from protocol.values import encode
from sandboxes.wasm import backend
from tests.sandboxes.wasm.engine_kit import Bench, Recorder, limits, order, setup


# --- files by value ------------------------------------------------------------------------------
def test_the_guests_own_folder_is_where_it_works(bench: Bench) -> None:
    wanted = order(
        "import os\nprint(os.getcwd(), open('in/a').read())\nopen('out', 'w').write('made')",
        files={"in/a": b"given"},
        keep_files=True,
    )
    host = Recorder()
    ended = bench.run(wanted, host)
    assert (ended.verdict, host.stdout) == (Verdict.OK, "/work given\n")
    assert ended.files == {"out": b"made"}


def test_files_are_not_given_back_unasked(bench: Bench) -> None:
    assert bench.run(order("open('out', 'w').write('x')", files={"a": b""})).files == {}


def test_modules_among_the_files_can_be_imported(bench: Bench) -> None:
    assert bench.say("import mine\nprint(mine.x)", files={"mine.py": b"x = 7"}) == "7\n"


def test_the_folder_is_gone_with_its_sandbox(base_image: str, bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    loaded = bench.thread.do(
        lambda: backend.load(setup(base_image, spool_path=str(tmp_path / "spool")))
    )
    own = Bench(loaded, bench.thread)
    sandbox = own.fresh()
    own.run_in(sandbox, order("import os\nos.makedirs('/work/' + 'd/' * 500)", keep_files=True))
    assert len(list(tmp_path.iterdir())) == 2
    own.thread.do(sandbox.close)
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]
    own.thread.do(loaded.close)


@pytest.mark.parametrize(
    ("spare", "verdict"), [(0, Verdict.OK), (-1, Verdict.FILES)], ids=["at", "past"]
)
@pytest.mark.parametrize(
    "source",
    [
        "open('a', 'wb').write(b'x' * 100_000)",
        "for n in range(10): open(str(n), 'wb').write(b'x' * 10_000)",
        "f = open('a', 'wb')\nfor _ in range(100): f.write(b'x' * 1_000); f.flush()",
        "open('given', 'ab').write(b'x' * 100_000)",
        "open('a', 'wb').truncate(100_000)",
    ],
    ids=["one", "ten", "pieces", "appended", "sparse"],
)
def test_files_are_limited_to_the_last_byte(
    bench: Bench, source: str, spare: int, verdict: Verdict
) -> None:
    bound = limits(files_bytes=100_000 + spare)
    ended = bench.run(order(source, bound=bound, files={"given": b"12345"}, keep_files=True))
    assert (ended.verdict, ended.usage.files_bytes) == (verdict, 100_000)
    assert bool(ended.files) is (verdict is Verdict.OK)


@pytest.mark.parametrize(
    "source",
    [
        "f = open('a', 'wb')\nos.unlink('a')\nfor _ in range(50): f.write(b'x' * 100_000)",
        "for _ in range(50): open('a', 'wb').write(b'x' * 100_000)",
        "for n in range(50):\n open(str(n), 'wb').write(b'x' * 100_000)\n os.unlink(str(n))",
        "for n in range(10_001): os.symlink('a', str(n))",
        "for n in range(100): os.mkdir('d'); os.chdir('d')",
    ],
    ids=["deleted", "written over", "deleted again and again", "too many", "too deep"],
)
def test_no_way_of_writing_escapes_the_limit(bench: Bench, source: str) -> None:
    bound = limits(files_bytes=1_000_000)
    ended = bench.run(order(f"import os\n{source}", bound=bound, keep_files=True))
    assert (ended.verdict, ended.files) == (Verdict.FILES, {})


def test_too_many_files_are_too_many_where_none_are_given_back(bench: Bench) -> None:
    source = "import os\nfor n in range(10_001): os.symlink('a', str(n))"
    assert bench.run(order(source, files={"a": b""})).verdict is Verdict.FILES


def test_what_is_written_shows_while_the_guest_runs(bench: Bench) -> None:
    host, sandbox = Recorder(), bench.fresh()
    seen: list[int] = []

    def look() -> None:
        seen.append(sandbox.files_bytes())
        sandbox.interrupt(Verdict.FILES)

    host.when_ready = look
    source = "open('a', 'wb').write(b'x' * 500_000)\nprint('ready', flush=True)\nwhile True: pass"
    ended = bench.run_in(sandbox, order(source, keep_files=True), host)
    assert ended.verdict is Verdict.FILES
    assert 499_000 <= seen[0] <= 500_000
    bench.thread.do(sandbox.close)


def test_writable_mounts_count_what_grows_and_not_what_was_there(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(b"x" * 500_000)
    mounts = [Mount(str(tmp_path), "/rw", writable=True)]
    for spare, verdict in ((0, Verdict.OK), (-1, Verdict.FILES)):
        (tmp_path / "new").unlink(missing_ok=True)
        bound = limits(files_bytes=1_000 + spare)
        ended = bench.run(
            order("open('/rw/new', 'w').write('x' * 1000)", mounts=mounts, bound=bound)
        )
        assert (ended.verdict, ended.usage.files_bytes) == (verdict, 1_000)


def test_a_session_keeps_its_mounts_and_takes_files_later(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("mounted")
    mounts = [Mount(str(tmp_path), "/m")]
    sandbox, host = bench.fresh(), Recorder()
    read = "print(open('/m/f').read())"
    assert bench.run_in(sandbox, order(read, mounts=mounts, session=1), host).reusable
    assert bench.run_in(sandbox, order(read, mounts=mounts, session=1), host).reusable
    later = order("print(open('later').read())", files={"later": b"by value"}, session=1)
    assert bench.run_in(sandbox, later, host).reusable
    assert host.stdout == "mounted\nmounted\nby value\n"
    other = [Mount(str(tmp_path), "/other")]
    ended = bench.run_in(sandbox, order("print(1)", mounts=other, session=1), host)
    assert ended.error is not None
    assert (ended.error.name, ended.reusable) == ("MountRefused", True)
    bench.thread.do(sandbox.close)


# --- large inputs --------------------------------------------------------------------------------
def test_spooled_buffers_are_read_by_the_guest_itself(
    base_image: str, bench: Bench, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    data, stdin = os.urandom(3_000_000), b"input " * 100_000
    sent = encode({"data": data})
    (spool / "1-0").write_bytes(sent.body)
    (spool / "1-1").write_bytes(bytes(sent.buffers[0]))
    (spool / "1-2").write_bytes(stdin)
    loaded = bench.thread.do(lambda: backend.load(setup(base_image, spool_path=str(spool))))
    own = Bench(loaded, bench.thread)
    wanted = order(
        "import sys, hashlib\nprint(hashlib.sha256(data).hexdigest(), len(sys.stdin.read()))\n"
        "try: open('/cellblock/1-1', 'ab')\nexcept OSError: print('read-only')",
        spooled=["1-0", "1-1", "1-2"],
        inputs_at=1,
    )
    wanted = replace(wanted, run=replace(wanted.run, stdin=3))
    host = Recorder()
    assert own.run(wanted, host).verdict is Verdict.OK
    assert host.stdout == f"{hashlib.sha256(data).hexdigest()} {len(stdin)}\nread-only\n"
    own.thread.do(loaded.close)
