"""What is measured, in the order of the report: functions from a contest to a section."""

from __future__ import annotations

from collections.abc import Callable

from bench.contest import Contest
from bench.measurements.calls import measure_calls
from bench.measurements.deadlines import measure_deadlines
from bench.measurements.fresh import measure_fresh
from bench.measurements.sessions import measure_sessions
from bench.measurements.speed import measure_speed
from bench.measurements.starts import measure_starts
from bench.measurements.transfers import measure_transfers
from bench.report import Section

ALL: dict[str, Callable[[Contest], Section]] = {
    "fresh": measure_fresh,
    "speed": measure_speed,
    "sessions": measure_sessions,
    "calls": measure_calls,
    "transfers": measure_transfers,
    "deadlines": measure_deadlines,
    "starts": measure_starts,
}
