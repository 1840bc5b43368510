"""`--json` says all of an outcome on one line that no guest can use against the reader."""

from __future__ import annotations

import json

import pytest

from executor.cli.report import failure_json, outcome_json, value_fields, value_line
from executor.outcome import Entry, Failure, Outcome, Truncated, Usage
from protocol.messages import Verdict


def test_the_whole_outcome_is_in_the_object() -> None:
    outcome = Outcome(
        Verdict.EXCEPTION,
        error=Failure("ValueError", "no", "Traceback\n"),
        stdout="out",
        stderr="err",
        truncated=Truncated(stdout=True),
        exit_code=1,
        files={"a": b"123"},
        logs=(Entry(20, "root", "hello", {"k": "v"}),),
        usage=Usage(wall_s=0.5, fuel=7),
    )

    said = json.loads(outcome_json(outcome, 1))

    assert said["verdict"] == "exception"
    assert (said["exit_code"], said["guest_exit_code"]) == (1, 1)
    assert said["error"] == {"name": "ValueError", "message": "no", "traceback": "Traceback\n"}
    assert (said["stdout"], said["stderr"]) == ("out", "err")
    assert said["truncated"] == {"stdout": True, "stderr": False}
    assert said["files"] == {"a": 3}
    assert said["logs"][0]["fields"] == {"k": "v"}
    assert (said["usage"]["wall_s"], said["usage"]["fuel"]) == (0.5, 7)
    assert said["timings"]["queued_s"] == 0.0


def test_the_object_is_one_line_of_ascii_whatever_the_guest_wrote() -> None:
    hostile = '\x1b]0;x\x07\r\n\x9b2J"}\n{"verdict": "ok"}\u2028\ud800\U0001f600'
    outcome = Outcome(Verdict.OK, hostile, Failure(hostile, hostile), hostile, hostile)

    text = outcome_json(outcome, 0)

    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text)["stdout"] == hostile


@pytest.mark.parametrize("value", [None, 1, 1.5, "a", [1, {"b": [None]}], True])
def test_a_value_that_json_can_say_is_itself(value: object) -> None:
    assert value_fields(value) == (value, None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({1, 2}, "{1, 2}"),
        (b"\xff", "b'\\xff'"),
        (float("nan"), "nan"),
        ([float("inf")], "[inf]"),
        (1 + 2j, "(1+2j)"),
        ({"caf\u00e9": {1}}, "{'caf\\xe9': {1}}"),
    ],
)
def test_a_value_that_json_cannot_say_is_written_as_python_does(value: object, text: str) -> None:
    assert value_fields(value) == (None, text)
    assert value_line(value) == text


def test_a_value_that_contains_itself_is_written_and_does_not_fail() -> None:
    loop: list[object] = []
    loop.append(loop)

    assert value_line(loop) == "[[...]]"


def test_an_int_that_python_will_not_write_is_named() -> None:
    assert value_line({10**5_000}).startswith("<set: Exceeds the limit")


def test_a_failure_of_ours_has_no_verdict() -> None:
    said = json.loads(failure_json("the queue is full", 125))

    assert said == {"verdict": None, "exit_code": 125, "failure": "the queue is full"}
