"""An alarm goes off after its time, at once when rung, and not at all once it is called off."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest

from sandboxes.alarm import Alarm, open_alarm

PATIENCE_MS = 60_000


@pytest.fixture
def fd() -> Iterator[int]:
    opened = open_alarm()
    yield opened
    os.close(opened)


def goes_off(fd: int, within_ms: int) -> bool:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(within_ms))


def test_an_alarm_is_off_at_first(fd: int) -> None:
    Alarm(fd, after_s=0.0001)

    assert not goes_off(fd, 5)


def test_an_alarm_goes_off_after_its_time_and_once(fd: int) -> None:
    alarm = Alarm(fd, after_s=0.0001)

    alarm.set()

    assert goes_off(fd, PATIENCE_MS)
    alarm.wait()
    assert not goes_off(fd, 5)


def test_an_alarm_that_is_called_off_does_not_go_off(fd: int) -> None:
    alarm = Alarm(fd, after_s=0.02)

    alarm.set()
    alarm.call_off()

    assert not goes_off(fd, 40)


def test_an_alarm_that_went_off_is_off_again_once_it_is_called_off(fd: int) -> None:
    alarm = Alarm(fd, after_s=0.0001)
    alarm.set()
    assert goes_off(fd, PATIENCE_MS)

    alarm.call_off()

    assert not goes_off(fd, 5)


def test_an_alarm_that_is_rung_goes_off_whatever_its_time(fd: int) -> None:
    alarm = Alarm(fd, after_s=3_600.0)
    alarm.set()

    alarm.ring()

    assert goes_off(fd, PATIENCE_MS)


def test_a_cells_descriptor_is_not_inherited(fd: int) -> None:
    assert not os.get_inheritable(fd)
