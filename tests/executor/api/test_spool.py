"""Large buffers go by file; a file is written over only where that can show nobody anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.spool import (
    FREE_BYTES_MAX,
    FREE_FILES_MAX,
    SPOOL_BYTES_MIN,
    SPOOLED_MAX,
    Spool,
    arrange,
)

LARGE = SPOOL_BYTES_MIN + 1


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(str(tmp_path))
    yield made
    made.close()


def test_a_file_holds_exactly_its_buffer(spool: Spool, tmp_path: Path) -> None:
    name = spool.write(b"abc" * LARGE, tenant="")

    assert (tmp_path / name).read_bytes() == b"abc" * LARGE
    assert (tmp_path / name).stat().st_mode & 0o022 == 0, "a cell under another user only reads it"


@pytest.mark.parametrize("length", [LARGE - 1, LARGE, LARGE + 1, LARGE // 2, LARGE * 2])
def test_a_file_that_is_written_over_keeps_nothing_of_before(
    spool: Spool, tmp_path: Path, length: int
) -> None:
    first = spool.write(b"a" * LARGE, tenant="t")
    spool.take_back([first], tenant="t", reusable=True)

    second = spool.write(b"b" * length, tenant="t")

    assert second == first
    assert (tmp_path / second).read_bytes() == b"b" * length


def test_a_file_serves_one_tenant_alone(spool: Spool) -> None:
    first = spool.write(b"a" * LARGE, tenant="ann")
    spool.take_back([first], tenant="ann", reusable=True)

    assert spool.write(b"b" * LARGE, tenant="bob") != first
    assert spool.write(b"c" * LARGE, tenant="ann") == first


def test_a_file_in_use_is_never_written_over(spool: Spool) -> None:
    assert spool.write(b"a" * LARGE, tenant="") != spool.write(b"b" * LARGE, tenant="")


def test_a_file_that_a_guest_may_still_read_is_removed(spool: Spool, tmp_path: Path) -> None:
    name = spool.write(b"a" * LARGE, tenant="")

    spool.take_back([name], tenant="", reusable=False)

    assert os.listdir(tmp_path) == []


def test_taking_back_twice_is_harmless(spool: Spool) -> None:
    name = spool.write(b"a" * LARGE, tenant="")

    spool.take_back([name], tenant="", reusable=True)
    spool.take_back([name], tenant="", reusable=True)

    assert spool.free_files == 1


def test_the_file_of_the_nearest_length_is_taken(spool: Spool) -> None:
    names = [spool.write(b"a" * n, tenant="") for n in (LARGE, 4 * LARGE, 16 * LARGE)]
    spool.take_back(names, tenant="", reusable=True)

    assert spool.write(b"b" * 5 * LARGE, tenant="") == names[1]


def test_so_many_files_are_kept_and_no_more(spool: Spool, tmp_path: Path) -> None:
    names = [spool.write(b"a", tenant="") for _ in range(FREE_FILES_MAX + 1)]

    spool.take_back(names[:-1], tenant="", reusable=True)
    assert spool.free_files == FREE_FILES_MAX

    spool.take_back(names[-1:], tenant="", reusable=True)
    assert spool.free_files == FREE_FILES_MAX
    assert sorted(os.listdir(tmp_path)) == sorted(names[1:])


def test_so_many_bytes_are_kept_and_no_more(spool: Spool) -> None:
    half = b"a" * (FREE_BYTES_MAX // 2)
    names = [spool.write(half, tenant="") for _ in range(2)]
    spool.take_back(names, tenant="", reusable=True)
    assert spool.free_files == 2

    spool.take_back([spool.write(b"a", tenant="other")], tenant="other", reusable=True)
    assert spool.free_files == 2


def test_closing_removes_every_file_and_descriptor(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    spool = Spool(str(tmp_path))
    free = spool.write(b"a" * LARGE, tenant="")
    spool.write(b"b" * LARGE, tenant="")
    spool.take_back([free], tenant="", reusable=True)

    spool.close()
    spool.close()

    assert os.listdir(tmp_path) == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_is_gone_is_an_error_and_leaks_nothing(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "gone"))

    with pytest.raises(FileNotFoundError):
        spool.write(b"a" * LARGE, tenant="")


# --- arranging -----------------------------------------------------------------------------------
def received(
    spool_path: Path, inline: list[bytes | bytearray | memoryview], names: list[str]
) -> list[bytes]:
    """Return the buffers as a cell numbers them."""
    return [*map(bytes, inline), *((spool_path / name).read_bytes() for name in names)]


@pytest.mark.parametrize(
    ("named", "rest"),
    [
        ([1], []),
        ([1, 2], [3, 4]),
        ([1, LARGE], []),
        ([LARGE, 1, LARGE + 1, 2], [3]),
        ([1, 2], [LARGE, 3, LARGE + 2]),
        ([1, LARGE, 2], [3, LARGE + 1, 4]),
        ([SPOOL_BYTES_MIN], [SPOOL_BYTES_MIN - 1]),
    ],
)
def test_every_buffer_is_found_where_it_is_said_to_be(
    spool: Spool, tmp_path: Path, named: list[int], rest: list[int]
) -> None:
    """The rest are found as a cell finds them: all that no field names, in their order."""
    named_data = [bytes([at]) * n for at, n in enumerate(named)]
    rest_data = [bytes([100 + at]) * n for at, n in enumerate(rest)]

    inline, names, indices = arrange(named_data, rest_data, spool, tenant="")

    every = received(tmp_path, inline, names)
    assert [every[at] for at in indices] == named_data
    assert [data for at, data in enumerate(every) if at not in indices] == rest_data
    assert all(len(data) <= SPOOL_BYTES_MIN for data in inline)


def test_what_is_at_the_bound_goes_in_the_frame_and_one_byte_more_by_file(spool: Spool) -> None:
    at_bound = arrange([b"a" * SPOOL_BYTES_MIN], [], spool, tenant="")
    past_bound = arrange([b"a" * (SPOOL_BYTES_MIN + 1)], [], spool, tenant="")

    assert (len(at_bound[0]), len(at_bound[1])) == (1, 0)
    assert (len(past_bound[0]), len(past_bound[1])) == (0, 1)


@pytest.mark.parametrize("count", [SPOOLED_MAX, SPOOLED_MAX + 1, SPOOLED_MAX + 40])
def test_no_more_files_are_named_than_a_run_may_name(
    spool: Spool, tmp_path: Path, count: int
) -> None:
    rest = [bytes([at % 256]) * LARGE for at in range(count)]

    inline, names, indices = arrange([b"code", b"i" * LARGE], rest, spool, tenant="")

    every = received(tmp_path, inline, names)
    assert len(names) == SPOOLED_MAX
    assert [data for at, data in enumerate(every) if at not in indices] == rest
    assert every[indices[1]] == b"i" * LARGE
