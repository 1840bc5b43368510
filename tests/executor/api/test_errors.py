"""What a host may rely on about our exceptions."""

from __future__ import annotations

import pickle

import pytest

from executor.errors import (
    Closed,
    ExecutorError,
    GuestError,
    ImageFailed,
    Misuse,
    Refused,
    ResultMismatch,
    SessionLost,
    SupervisorLost,
    Unavailable,
    translated,
)
from protocol.errors import BudgetExceeded, RemoteProtocolError, ValueRefused
from protocol.messages import Verdict
from sandboxes.errors import ImageError, JailUnavailable, SandboxBroken

SAMPLES = [
    Misuse("files['../x']", "must be relative"),
    Refused("queue_full", "12 of 12"),
    SessionLost("its cell was killed"),
    Unavailable("liveness", "no interpreter"),
    ImageFailed("no such package"),
    SupervisorLost("its pipe ended", began=False),
    Closed("supervisor"),
    GuestError(Verdict.EXCEPTION, "ValueError", "no", "Traceback ..."),
    ResultMismatch("area", "result: Input should be a valid number"),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda e: type(e).__name__)
def test_an_error_keeps_its_fields_and_text_across_processes(error: ExecutorError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error) != ""
    assert vars(copy) == vars(error)
    assert (copy.began, copy.retryable) == (error.began, error.retryable)


@pytest.mark.parametrize("error", SAMPLES, ids=lambda e: type(e).__name__)
def test_one_except_clause_catches_everything_we_raise(error: Exception) -> None:
    assert isinstance(error, ExecutorError)


def test_only_a_refusal_for_want_of_room_invites_another_try() -> None:
    assert {type(error).__name__ for error in SAMPLES if error.retryable} == {"Refused"}


def test_what_was_refused_never_began() -> None:
    assert not Refused("queue_full").began
    assert not Misuse("code", "must be text").began
    assert SupervisorLost("gone").began


@pytest.mark.parametrize(
    ("lower", "ours"),
    [
        (ValueRefused("inputs['s']", "a socket"), Misuse),
        (BudgetExceeded("inputs", "too large"), Misuse),
        (ImageError("cannot be built"), ImageFailed),
        (JailUnavailable("seccomp", "not built in"), Unavailable),
        (SandboxBroken("unknown state"), SupervisorLost),
        (RemoteProtocolError("bad frame"), SupervisorLost),
        (OSError(28, "No space left on device"), SupervisorLost),
        (ValueError("limits.wall_s must be"), Misuse),
        (ZeroDivisionError("bug"), ExecutorError),
    ],
    ids=lambda e: e.__name__ if isinstance(e, type) else type(e).__name__,
)
def test_each_error_of_a_lower_layer_has_one_of_ours(
    lower: Exception, ours: type[ExecutorError]
) -> None:
    error = translated(lower)

    assert type(error) is ours
    assert str(error)


def test_a_refused_value_keeps_the_path_to_it() -> None:
    error = translated(ValueRefused("inputs['rows'][3].handle", "a socket"))

    assert str(error) == "inputs['rows'][3].handle: a socket"
