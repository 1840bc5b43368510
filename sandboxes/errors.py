"""Errors of the sandbox layer.

SandboxError
    JailUnavailable    this machine cannot give a protection that was asked for
    ImageError         an image cannot be built or loaded; the text names the fix
    MountRefused       a directory or file cannot be given to a guest
    SandboxBroken      the sandbox failed, not the guest: discard its cell
        NoRoom         no other sandbox can be made now; those there are go on
"""

from __future__ import annotations


class SandboxError(Exception):
    """Base of every error raised by `sandboxes`."""


class JailUnavailable(SandboxError):
    """A required step of the jail cannot be done here. Nothing ran outside the jail."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(step, reason)
        self.step = step
        self.reason = reason

    def __str__(self) -> str:
        return f"jail step {self.step!r} is not available: {self.reason}; see cellblock doctor"


class ImageError(SandboxError):
    """An image, or a .wasm program, cannot be built, compiled or loaded."""


class MountRefused(SandboxError):
    """A directory or a file cannot be given to a guest as it was asked for. Nothing ran."""


class SandboxBroken(SandboxError):
    """The sandbox itself failed. Its state is unknown; do not run anything more in it."""


class NoRoom(SandboxBroken):
    """A cell has not the memory or the mappings for another sandbox; those it has are unharmed."""
