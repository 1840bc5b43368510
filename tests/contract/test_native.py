"""What native guests alone have: the host's packages, its own speed, memory that is mapped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from executor import Image, ImageFailed, Limits, Refused, Supervisor, Verdict
from executor.kinds import Reuse
from protocol.fields import Kind

MIB = 1 << 20


@pytest.fixture(scope="module")
def numeric() -> Iterator[Supervisor]:
    """Give a supervisor whose guests find NumPy loaded."""
    pytest.importorskip("numpy")
    limits = Limits(wall_s=20, memory_bytes="256MB")
    with Supervisor(Image(preload=["numpy"]), kind="process", cells=2, limits=limits) as started:
        yield started


@pytest.fixture(scope="module", params=["process", "interpreter"])
def native(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Supervisor]:
    """Give a supervisor whose guests find one more folder of modules."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "mine.py").write_text("import time\nloaded_at = time.monotonic()\n")
    (folder / "late.py").write_text("answer = 42\n")
    kind: Kind = request.param
    image = Image(preload=["mine"], libraries=[str(folder)])
    with Supervisor(image, kind=kind, cells=1) as started:
        yield started


# --- packages ------------------------------------------------------------------------------------
def test_a_package_in_c_is_there_with_all_its_parts_if_the_image_names_it(
    numeric: Supervisor,
) -> None:
    code = (
        "import numpy, numpy.fft, numpy.random, numpy.polynomial\n"
        "a = numpy.arange(6.0).reshape(2, 3)\n"
        "[float((a @ a.T).sum()), float(numpy.linalg.norm(a)) > 7,\n"
        " len(numpy.fft.rfft(a[0])), int(numpy.random.default_rng(1).integers(10)) < 10]"
    )

    assert numeric.run(code).unwrap() == [83.0, True, 2, True]


def test_numeric_code_uses_one_thread_and_may_fork_a_thousand_times_from_one_import(
    numeric: Supervisor,
) -> None:
    code = (
        "import threading, numpy\n"
        "numpy.ones((200, 200)) @ numpy.ones((200, 200))\n"
        "threading.active_count()"
    )

    assert [outcome.value for outcome in numeric.map(code, [{}] * 20)] == [1] * 20


def test_a_package_in_c_that_no_image_names_cannot_be_loaded_and_says_so(
    native: Supervisor,
) -> None:
    pytest.importorskip("numpy")

    outcome = native.run("import numpy._core._multiarray_umath")

    assert outcome.verdict is Verdict.EXCEPTION
    assert outcome.error is not None
    assert outcome.error.name == "ImportError"
    assert "sandbox" in outcome.error.traceback
    assert "preload" in outcome.error.traceback


def test_modules_of_an_image_are_loaded_ahead_and_others_of_its_folders_can_be(
    native: Supervisor,
) -> None:
    code = "import sys\nahead = 'mine' in sys.modules\nimport mine, late\n(ahead, late.answer)"

    assert native.run(code).unwrap() == (True, 42)


def test_pure_python_that_is_installed_here_can_be_imported(native: Supervisor) -> None:
    assert native.run("import pluggy\npluggy.__name__").unwrap() == "pluggy"


@pytest.mark.parametrize("kind", ["process", "interpreter"])
def test_a_module_that_fails_ahead_is_told_with_its_error(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "broken_ahead.py").write_text("raise LookupError('not today')\n")
    image = Image(preload=["broken_ahead"], libraries=[str(tmp_path)])

    with (
        Supervisor(image, kind=kind, cells=1) as supervisor,
        pytest.raises((Refused, ImageFailed), match="not today"),
    ):
        supervisor.run("1")


def test_a_module_that_starts_a_thread_cannot_be_loaded_ahead(tmp_path: Path) -> None:
    (tmp_path / "busy_ahead.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    image = Image(preload=["busy_ahead"], libraries=[str(tmp_path)])

    with (
        Supervisor(image, kind="process", cells=1) as supervisor,
        pytest.raises((Refused, ImageFailed), match=r"busy_ahead.*thread"),
    ):
        supervisor.run("1")


# --- what no native guest can do -----------------------------------------------------------------
@pytest.mark.parametrize(
    "attempt",
    [
        "import os; os.fork()",
        "import subprocess; subprocess.run(['/bin/true'])",
        "import os; os.system('true')",
        "import socket; socket.socket()",
        "import socket; socket.create_connection(('127.0.0.1', 80))",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1/')",
        "import multiprocessing; multiprocessing.get_context('fork').Process(target=print).start()",
        "import asyncio; asyncio.run(asyncio.create_subprocess_exec('true'))",
    ],
)
def test_what_cannot_work_fails_with_an_error_that_names_the_sandbox(
    native: Supervisor, attempt: str
) -> None:
    outcome = native.run(attempt)

    assert outcome.verdict is Verdict.EXCEPTION, outcome
    assert outcome.error is not None
    assert "the sandbox" in outcome.error.traceback
    assert native.run("6 * 7").value == 42


# --- memory --------------------------------------------------------------------------------------
def test_a_shared_buffer_costs_a_guest_no_memory_of_its_own(numeric: Supervisor) -> None:
    code = (
        "import numpy\n"
        "array = numpy.frombuffer(table, dtype=numpy.uint8)\n"
        "(int(array[::4096].sum()), array.flags.writeable, type(table).__name__)"
    )
    size_bytes = 512 * MIB  # twice what a guest may have
    with numeric.share(b"\1" * size_bytes) as shared:
        outcomes = list(numeric.map(code, [{"table": shared}] * 3))

    assert [outcome.unwrap() for outcome in outcomes] == [
        (size_bytes // 4096, False, "memoryview")
    ] * 3


def test_a_shared_buffer_cannot_be_written_to_by_any_means(native: Supervisor) -> None:
    code = (
        "import ctypes\n"
        "try:\n    table[0] = 9\nexcept TypeError as e:\n    found = [type(e).__name__]\n"
        "import glob, os\n"
        "for path in glob.glob('/dev/shm/**', recursive=True):\n"
        "    try:\n        open(path, 'r+b').write(b'9')\n"
        "    except OSError:\n        pass\n"
        "found, table[0]"
    )
    data = b"\1" * MIB
    with native.share(data) as shared:
        assert native.run(code, inputs={"table": shared}).unwrap() == (["TypeError"], 1)
        assert shared.view == data


def test_a_shared_buffer_stays_in_a_session_after_it_was_closed(native: Supervisor) -> None:
    with native.session() as session:
        with native.share(b"\2" * MIB) as shared:
            assert session.run("kept = table\nlen(kept)", inputs={"table": shared}).value == MIB
        assert session.run("kept[-1]").value == 2


def test_many_guests_read_one_shared_buffer_at_the_same_time(native: Supervisor) -> None:
    with native.share(bytes(range(256)) * 4096) as shared:
        handles = [
            native.start("sum(table[part::8])", inputs={"table": shared, "part": part})
            for part in range(8)
        ]
        assert sum(handle.result(20).unwrap() for handle in handles) == sum(range(256)) * 4096  # type: ignore[misc]  # ints


# --- threads -------------------------------------------------------------------------------------
POOL = (
    "import asyncio\n"
    "from concurrent.futures import ThreadPoolExecutor\n"
    "with ThreadPoolExecutor(2) as pool: found = list(pool.map(int, '45'))\n"
    "[*found, ThreadPoolExecutor(1).submit(int, '6').result(),\n"
    " asyncio.run(asyncio.to_thread(int, '7'))]"
)


@pytest.mark.parametrize("kind", ["process", "interpreter"])
@pytest.mark.parametrize("reuse", ["run", "tenant"])
def test_each_run_may_have_pools_of_threads(kind: Kind, reuse: Reuse) -> None:
    with Supervisor(kind=kind, reuse=reuse, cells=1) as supervisor:
        assert [supervisor.run(POOL).unwrap() for _ in range(3)] == [[4, 5, 6, 7]] * 3
        with supervisor.session() as session:
            assert [session.run(POOL).unwrap() for _ in range(3)] == [[4, 5, 6, 7]] * 3


@pytest.mark.parametrize("kind", ["process", "interpreter"])
def test_a_thread_that_a_guest_left_behind_costs_its_cell_and_no_other_run(kind: Kind) -> None:
    leave = "import threading\nthreading.Thread(target=threading.Event().wait).start()"
    with Supervisor(kind=kind, reuse="tenant", cells=1) as supervisor:
        outcome = supervisor.run(leave, limits={"wall_s": 0.5})

        assert outcome.verdict in (Verdict.OK, Verdict.TIMEOUT)
        code = "import threading\nthreading.active_count()"
        assert [supervisor.run(code).value for _ in range(3)] == [1] * 3
