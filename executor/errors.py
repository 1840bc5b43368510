"""Errors the host application may catch, and the one function that makes them of lower layers'.

    ExecutorError
        Misuse              the call can never work: the text names the argument and the fix
        Refused             no room now, or a closed door; the guest has not run      (retryable)
            SessionLost     the sandbox kept for a session is gone; reset() the session
        Unavailable         this machine cannot give a guarantee that was asked for
        ImageFailed         an image or a module cannot be built or loaded
        LinkFailed          the servers of a link cannot be reached, or do not let us in
        SupervisorLost      the supervisor's loop ended under its runs
        Closed              used after close()
        GuestError          raised by Outcome.unwrap() alone: what the guest did
            ResultMismatch  the guest's result is not what the annotation says

A guest that raises, loops or eats memory is not an error: it is an `Outcome` with a verdict.
Every error has fields, pickles, and says in `began` whether its guest may already have run.
"""

from __future__ import annotations

from typing import ClassVar

from protocol.errors import ProtocolError, ValueRefused
from protocol.messages import Verdict


class ExecutorError(Exception):
    """Base of every error raised by `executor`."""

    #: True if the same call may work later.
    retryable: ClassVar[bool] = False
    #: True if the guest may have run, so that calling again may run it twice.
    began: bool = False


class Misuse(ExecutorError, ValueError):
    """An argument that can never work. Nothing was sent.

    Attributes:
        argument: which one, as the caller wrote it, such as `files['../x']`.
        problem: what is wrong with it, and what to give instead.
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(argument, problem)
        self.argument = argument
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.argument}: {self.problem}"


class Refused(ExecutorError):
    """The run was not begun.

    Attributes:
        reason: queue_full, queue_timeout, draining, breaker_open, pools_full, no_room or
            session_lost; of a `RemoteSupervisor` also unsupported or unreachable.
        detail: more of it, for people.
    """

    retryable = True

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        text = _REASONS.get(self.reason, self.reason)
        return f"{text} ({self.detail})" if self.detail else text


_REASONS = {
    "queue_full": "the queue is full; submit fewer runs at once or raise queue_max",
    "queue_timeout": "no cell became free within queue_timeout_s",
    "draining": "the supervisor is closing and takes no new runs",
    "pools_full": (
        "too many different mounts, modules and memory limits are in use at once; "
        "end runs or close sessions first"
    ),
    "no_room": "there is no room for the shared buffer in memory files",
    "breaker_open": "cells cannot be started at the moment",
    "unsupported": "no machine may run it",
    "unreachable": "the machines cannot be reached",
    "session_lost": "the sandbox kept for this session is gone; call reset() for a fresh one",
}


class SessionLost(Refused):
    """The state of a session is gone. `session.reset()` begins a fresh one."""

    retryable = False

    def __init__(self, detail: str = "") -> None:
        super().__init__("session_lost", detail)

    def __reduce__(self) -> tuple[type[SessionLost], tuple[str]]:
        return type(self), (self.detail,)


class Unavailable(ExecutorError):
    """A guarantee was asked for that is not held here. Nothing ran.

    Attributes:
        guarantee: its name.
        reason: why it is not held, and how to get it.
    """

    def __init__(self, guarantee: str, reason: str) -> None:
        super().__init__(guarantee, reason)
        self.guarantee = guarantee
        self.reason = reason

    def __str__(self) -> str:
        return f"guarantee {self.guarantee!r} is not held: {self.reason}"


class ImageFailed(ExecutorError):
    """An image or a module cannot be built, compiled or loaded.

    Attributes:
        cause: what failed, and the fix where one is known.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause

    def __str__(self) -> str:
        return self.cause


class LinkFailed(ExecutorError):
    """The NATS servers of a link cannot be reached, or do not let us in. Nothing ran.

    Attributes:
        cause: what failed, and the fix where one is known; no secret is in it.
    """

    retryable = True

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause

    def __str__(self) -> str:
        return f"the link failed: {self.cause}"


class SupervisorLost(ExecutorError):
    """The supervisor's loop ended, or broke the protocol. Its runs are over; open another.

    Attributes:
        cause: what was seen.
        began: True if the guest of this call may have run.
    """

    def __init__(self, cause: str, *, began: bool = True) -> None:
        super().__init__(cause)
        self.cause = cause
        self.began = began

    def __str__(self) -> str:
        return f"the supervisor is lost: {self.cause}"

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.cause,), {"began": self.began}


class Closed(ExecutorError):
    """Used after `close()`.

    Attributes:
        what: the object that is closed.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"the {self.what} is closed"


class GuestError(ExecutorError):
    """The run did not end well, and its caller asked for the value alone.

    Attributes:
        verdict: how the run ended.
        name: class of the guest's exception, or of the reason.
        message: its text, as the guest wrote it.
        traceback: the guest's own traceback, where it raised.
    """

    began = True

    def __init__(self, verdict: Verdict, name: str, message: str, traceback: str = "") -> None:
        super().__init__(verdict, name, message, traceback)
        self.verdict = verdict
        self.name = name
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        text = f"{self.name}: {self.message}" if self.message else self.name
        if self.verdict is Verdict.EXCEPTION:
            return text
        return f"the run ended with {self.verdict} ({text})" if text else f"the run: {self.verdict}"


class ResultMismatch(GuestError):
    """The guest's result is not what the function's return annotation says."""

    def __init__(self, function: str, problem: str) -> None:
        super().__init__(Verdict.OK, "ResultMismatch", f"{function}() returned {problem}")
        self.function = function
        self.problem = problem

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[type[ResultMismatch], tuple[str, str]]:
        return type(self), (self.function, self.problem)


def translated(error: Exception, *, argument: str = "value") -> ExecutorError:
    """Return the error of this layer that stands for one of a lower layer.

    Args:
        error: an error of `protocol` or `sandboxes`, or an `OSError` on the supervisor's socket.
        argument: which argument was at hand, where the lower layer does not say.
    """
    from sandboxes.errors import ImageError, JailUnavailable, SandboxError

    match error:
        case ExecutorError():
            return error
        case ValueRefused():
            return Misuse(error.path, error.reason)
        case JailUnavailable():
            return Unavailable(error.step, error.reason)
        case ImageError():
            return ImageFailed(str(error))
        case SandboxError() | ProtocolError() | OSError():
            return SupervisorLost(f"{type(error).__name__}: {error}")
        case ValueError() | TypeError():
            return Misuse(argument, str(error))
        case _:
            return ExecutorError(f"{type(error).__name__}: {error}")
