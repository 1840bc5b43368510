"""What waits for a link's connection goes in its order and within its bound."""

from __future__ import annotations

from executor.link.events import Publish
from executor.link.outbox import WAITING_BYTES_MAX, Outbox


def drained(outbox: Outbox) -> list[str]:
    said = []
    while outbox:
        said.append(outbox.pop().subject)
    return said


def test_what_is_urgent_overtakes_the_rest_and_each_keeps_its_order() -> None:
    outbox = Outbox()
    for at, urgent in enumerate((False, True, False, True)):
        outbox.put(Publish(str(at), b"#", urgent=urgent))

    assert drained(outbox) == ["1", "3", "0", "2"]


def test_a_slow_connection_gathers_no_copies_beyond_the_bound_and_nothing_urgent_is_left_out() -> (
    None
):
    outbox = Outbox()
    outbox.begin_step()
    outbox.put(Publish("below", b"#" * (WAITING_BYTES_MAX - 1)))
    outbox.begin_step()
    outbox.put(Publish("at", b"#"))
    outbox.begin_step()
    outbox.put(Publish("beyond", b"#"))
    outbox.put(Publish("urgent", b"#" * 100, urgent=True))
    assert drained(outbox) == ["urgent", "below", "at"]
    assert outbox.waiting_bytes == 0


def test_no_part_of_what_is_said_at_once_is_left_out_of_it() -> None:
    outbox = Outbox()
    outbox.begin_step()
    for part in range(3):
        outbox.put(Publish(str(part), b"#" * WAITING_BYTES_MAX))

    assert drained(outbox) == ["0", "1", "2"]


def test_another_connection_begins_with_room() -> None:
    outbox = Outbox()
    outbox.put(Publish("old", b"#" * WAITING_BYTES_MAX))
    outbox.begin_step()
    outbox.clear()
    outbox.put(Publish("new", b"#"))

    assert drained(outbox) == ["new"]
