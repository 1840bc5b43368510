"""Shared buffers: written once, read by many runs, gone with the last one that has them."""

from __future__ import annotations

import gc
import os
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor import Closed, Misuse, Refused, SharedBuffer, Supervisor, inputs as inputs_module
from executor.inputs import encoded_inputs
from executor.shared import share
from executor.spool import Spool, arrange
from protocol.values import decode

DATA = bytes(range(256)) * 400


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(str(tmp_path))
    yield made
    made.close()


def files(tmp_path: Path) -> list[str]:
    return sorted(os.listdir(tmp_path))


def arranged(spool: Spool, *values: object) -> tuple[int, list[str]]:
    """Return how many buffers go in the frame, and which files the run names."""
    encoded = encoded_inputs({f"v{n}": value for n, value in enumerate(values)})
    inline, names, _ = arrange([b"source"], encoded.buffers, spool, tenant="")
    return len(inline) - 1, names


def test_it_is_written_once_however_many_runs_have_it(spool: Spool, tmp_path: Path) -> None:
    with share(spool, DATA) as shared:
        name = shared.name
        assert [arranged(spool, shared) for _ in range(3)] == [(0, [name])] * 3
        assert arranged(spool, {"deep": [shared, shared]}) == (0, [name])
        assert (tmp_path / name).read_bytes() == DATA
        assert files(tmp_path) == [name]


def test_its_memory_is_free_once_it_is_closed_though_the_object_is_kept(
    spool: Spool, tmp_path: Path
) -> None:
    shared = share(spool, DATA)
    path = str(tmp_path / shared.name)
    assert path in Path("/proc/self/maps").read_text()
    shared.close()

    assert path not in Path("/proc/self/maps").read_text()
    assert files(tmp_path) == []


def test_it_arrives_as_a_view_that_cannot_be_written_to(spool: Spool) -> None:
    with share(spool, DATA) as shared:
        encoded = encoded_inputs({"a": shared, "b": shared})
        value = decode(encoded.body, encoded.buffers)

        assert isinstance(value, dict)
        assert value["a"] is value["b"]
        assert value["a"] == DATA
        assert value["a"].readonly
        assert value["a"].obj is shared.view.obj, "not a copy"


def test_a_view_that_could_be_written_to_arrives_as_a_copy() -> None:
    data = bytearray(DATA)
    encoded = encoded_inputs({"a": memoryview(data)})

    value = decode(encoded.body, [bytearray(buffer) for buffer in encoded.buffers])

    assert isinstance(value, dict)
    assert value["a"].readonly


def test_what_is_small_is_sent_like_any_other_value(spool: Spool) -> None:
    with share(spool, b"small") as shared:
        assert arranged(spool, shared) == (0, [])


def test_a_part_of_it_is_not_it(spool: Spool) -> None:
    with share(spool, DATA) as shared:
        inline, names = arranged(spool, shared.view[1:])

        assert (inline, names) == (1, [])


def test_its_file_goes_when_it_was_closed_and_the_last_run_with_it_has_ended(
    spool: Spool, tmp_path: Path
) -> None:
    shared = share(spool, DATA)
    (_, first), (_, second) = arranged(spool, shared), arranged(spool, shared)
    spool.take_back(first, tenant="", reusable=True)

    shared.close()
    shared.close()

    assert files(tmp_path) == [shared.name]
    spool.take_back(second, tenant="", reusable=False)
    assert files(tmp_path) == []


def test_its_file_stays_while_it_is_open_and_goes_with_the_object(
    spool: Spool, tmp_path: Path
) -> None:
    shared = share(spool, DATA)
    spool.take_back(arranged(spool, shared)[1], tenant="", reusable=True)
    assert files(tmp_path) == [shared.name]

    del shared
    gc.collect()

    assert files(tmp_path) == []


def test_a_closed_one_is_handed_to_nobody(spool: Spool) -> None:
    shared = share(spool, DATA)
    view = shared.view
    shared.close()

    with pytest.raises(Closed):
        encoded_inputs({"a": shared})
    with pytest.raises(Closed):
        len(shared)
    assert view == DATA, "a view that is held stays good"
    assert arranged(spool, view)[1] == [], "and is sent as any bytes are"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (5, "must be bytes or have the buffer protocol, not be a int"),
        (b"", "must not be empty"),
        (memoryview(DATA)[::2], "must lie in one piece"),
    ],
    ids=["no buffer", "empty", "pieces"],
)
def test_what_cannot_be_shared_is_refused(spool: Spool, data: object, problem: str) -> None:
    with pytest.raises(Misuse, match=problem):
        share(spool, data)  # type: ignore[arg-type]  # the point


def test_no_room_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    spool = Spool(str(tmp_path / "gone"))
    (tmp_path / "gone").rmdir()

    with pytest.raises(Refused, match="no room for the shared buffer"):
        share(spool, DATA)


def test_what_is_shared_does_not_count_for_the_size_of_inputs(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with share(spool, DATA) as shared:
        size_bytes = len(encoded_inputs({"a": shared, "b": DATA}).body) + len(DATA)

        monkeypatch.setattr(inputs_module, "INPUTS_BYTES_MAX", size_bytes)
        encoded_inputs({"a": shared, "b": DATA})
        monkeypatch.setattr(inputs_module, "INPUTS_BYTES_MAX", size_bytes - 1)
        with pytest.raises(Misuse, match=r"hand over what is large by Supervisor\.share"):
            encoded_inputs({"a": shared, "b": DATA})


def test_a_supervisor_shares_what_lies_in_one_piece(supervisor: Supervisor) -> None:
    numbers = array("d", [0.5]) * 50_000
    with supervisor.share(numbers) as shared:
        assert isinstance(shared, SharedBuffer)
        assert len(shared) == 400_000
        outcomes = supervisor.map(
            "sum(table.cast('d')[part::4])", ({"part": n, "table": shared} for n in range(4))
        )
        assert [outcome.unwrap() for outcome in outcomes] == [6250.0] * 4
