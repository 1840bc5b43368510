"""Each interpreter has a working directory of its own, though its process has one for all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from protocol.messages import EndSession, HostCall, HostReply
from protocol.values import encode
from tests.sandboxes.interpreter.kit import Cell, cell_of, limits

FILES = limits(files_bytes=1 << 20)


@pytest.fixture(scope="module")
def cell() -> Iterator[Cell]:
    with cell_of(slots=2) as cell:
        cell.wait_ready()
        yield cell


def test_two_guests_write_the_same_name_to_two_places(cell: Cell) -> None:
    source = "import host\nopen('name', 'w').write(mine)\nhost.wait()\n"
    first = cell.begin("mine = 'first'\n" + source, functions=("wait",), limits=FILES)
    cell.wait_said(first, HostCall)

    ended = cell.run("import os\nos.path.exists('name')", limits=FILES)

    assert ended.value is False
    cell.send(HostReply(1), first, [encode(None).body])
    assert cell.wait(first).verdict == "ok"


@pytest.mark.parametrize(
    "source",
    [
        "open('a/b.txt').read()",
        "import io; io.open('a/b.txt', 'rb').read().decode()",
        "import pathlib; pathlib.Path('a', 'b.txt').read_text()",
        "import os; fd = os.open('a/b.txt', os.O_RDONLY); os.read(fd, 10).decode()",
        "import os; os.chdir('a'); open('b.txt').read()",
        "import os; os.chdir('a'); os.rename('b.txt', 'c'); open(os.path.abspath('c')).read()",
        "import shutil; shutil.copy('a/b.txt', 'd'); open(b'd').read()",
        "import os; open(os.path.join(next(os.walk('.'))[1][0], 'b.txt')).read()",
        "import os; open('a/' + os.listdir('a')[0]).read()",
        "import os; os.mkdir('n'); os.replace('a/b.txt', 'n/e'); open('n/e').read()",
        "import os; os.symlink('a/b.txt', 'l'); open(os.readlink('l')).read()",
        "import os; d = os.open('a', os.O_RDONLY); "
        "f = os.open('b.txt', os.O_RDONLY, dir_fd=d); os.read(f, 9).decode()",
        "import glob; open(glob.glob('*/b.txt')[0]).read()",
        "import os; os.access('a/b.txt', os.R_OK) and 'text'",
        "import tempfile; f = tempfile.NamedTemporaryFile('w+', dir='.'); f.write('text'); "
        "f.seek(0); f.read()",
        "import sys; open('m.py', 'w').write('x = \"text\"'); import m; m.x",
    ],
)
def test_a_relative_path_leads_to_the_guests_own_folder(cell: Cell, source: str) -> None:
    ended = cell.run_with_files(source, {"a/b.txt": b"text"}, limits=FILES)

    assert (ended.value, ended.error) == ("text", None)


def test_what_is_no_directory_cannot_be_changed_to(cell: Cell) -> None:
    source = (
        "import os\ntry: os.chdir('absent')\nexcept OSError as e: name = type(e).__name__\nname"
    )

    assert cell.run(source, limits=FILES).value == "FileNotFoundError"


def test_a_session_keeps_its_folder_and_takes_it_along(cell: Cell) -> None:
    cell.run("open('kept', 'w').write('1')", session=3, session_new=True, limits=FILES)
    assert cell.run("import os; os.getcwd(), open('kept').read()", session=3).value[1] == "1"
    folder = cell.run("os.getcwd()", session=3).value

    cell.send(EndSession(3))
    assert cell.run(f"import os; os.path.exists({folder!r})").value is False


def test_files_over_the_limit_end_the_run(cell: Cell) -> None:
    ended = cell.run("open('big', 'wb').write(b'x' * 4097)", limits=limits(files_bytes=4096))
    within = cell.run("open('big', 'wb').write(b'x' * 4096)", limits=limits(files_bytes=4096))

    assert (ended.verdict, within.verdict) == ("files", "ok")


def test_a_guest_that_goes_on_over_the_limit_on_files_is_ended(cell: Cell) -> None:
    source = "open('big', 'wb').write(b'x' * 5000)\nimport time; time.sleep(3600)"
    ended = cell.run(source, limits=limits(files_bytes=4096, wall_ms=60_000))

    assert ended.verdict == "files"
