"""From the way a call into a guest failed to the verdict on its run.

this side ended it     the verdict it was ended with
the guest exited       ok or exit, by its code
out of fuel            fuel
any other trap         crashed, in words without wasmtime's backtrace
"""

from __future__ import annotations

from typing import Final

from protocol.errors import printable
from protocol.messages import Error, Verdict
from protocol.structs import frozen
from sandboxes.errors import SandboxBroken
from sandboxes.wasm import binding
from sandboxes.wasm.binding import Fault
from sandboxes.wasm.conversation import Conversation

_INTERRUPT: Final = "interrupt"
_FUEL: Final = "all fuel consumed by WebAssembly"
_WORDS: Final = {
    "call stack exhausted": "the guest's stack overflowed",
    "wasm `unreachable` instruction executed": "the guest aborted",
    "out of bounds memory access": "the guest reached outside its memory",
    "cannot enter component instance": "the guest was left in the middle of an earlier run",
}
#: The same by the code of a trap, where a core module's call gives one.
_CODES: Final = {
    binding.TRAP_INTERRUPT: _INTERRUPT,
    binding.TRAP_OUT_OF_FUEL: _FUEL,
    binding.TRAP_STACK_OVERFLOW: "call stack exhausted",
    binding.TRAP_UNREACHABLE: "wasm `unreachable` instruction executed",
}
_PREFIX: Final = "wasm trap: "
_OVER_MEMORY: Final = "exceeds memory limits"
#: Endings that a guest can bring about while it is over a limit.
_BY_GUEST: Final = (Verdict.OK, Verdict.EXCEPTION, Verdict.EXIT, Verdict.VALUE, Verdict.CRASHED)
CRASH_NAME: Final = "GuestCrashed"


@frozen
class Ending:
    """How a guest ended, without what it used."""

    verdict: Verdict
    exit_code: int | None = None
    error: Error | None = None


def ending_of(fault: Fault, conversation: Conversation, wanted: Verdict | None) -> Ending:
    """Return how the guest ended.

    Args:
        fault: why the call failed.
        conversation: the guest's, which knows whether this side ended it.
        wanted: the verdict of an interrupt, if there was one.

    Raises:
        SandboxBroken: this side failed, or the guest was interrupted by nobody.
    """
    conversation.raise_if_broken()
    if conversation.over is not None:
        return Ending(conversation.over)
    if conversation.violation is not None:
        return crashed(f"the guest broke the rules: {printable(conversation.violation)}")
    if fault.exit_code is not None:
        return exited(fault.exit_code)
    cause = _CODES.get(-1 if fault.trap is None else fault.trap) or fault.cause
    cause = cause.removeprefix(_PREFIX)
    if cause == _INTERRUPT:
        if wanted is None:
            raise SandboxBroken("a guest was interrupted, and nobody asked for it")
        return Ending(wanted)
    if cause == _FUEL:
        return Ending(Verdict.FUEL)
    if is_over_memory(fault):
        return Ending(Verdict.MEMORY)
    return crashed(_WORDS.get(cause) or f"the guest trapped: {printable(cause)}")


def exited(code: int) -> Ending:
    """Return the ending of a guest that ended itself."""
    return Ending(Verdict.EXIT if code else Verdict.OK, code)


def crashed(words: str) -> Ending:
    """Return the ending of a guest that cannot go on."""
    return Ending(Verdict.CRASHED, None, Error(CRASH_NAME, words))


def within_limits(ending: Ending, *, is_over_fuel: bool, is_over_files: bool) -> Ending:
    """Return `ending`, or that of a guest that came to its end after it was over a limit."""
    if ending.verdict in _BY_GUEST:
        if is_over_fuel:
            return Ending(Verdict.FUEL)
        if is_over_files:
            return Ending(Verdict.FILES)
    return ending


def is_over_memory(fault: Fault) -> bool:
    """Return whether an instance was not made because its memory begins above the limit."""
    return fault.trap is None and _OVER_MEMORY in fault.cause
