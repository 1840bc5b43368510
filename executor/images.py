"""Compiled code for a supervisor: of the image its guests run in, and of .wasm programs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from executor.errors import Misuse, translated
from sandboxes.errors import ImageError

if TYPE_CHECKING:
    from protocol.limits import Limits
    from sandboxes.wasm.image import Compiled, Image as ImageGiven


def compiled_image(
    image: ImageGiven | None, fuel: bool, *, epoch: bool = True, is_quick: bool
) -> Compiled:
    """Return an image, compiled; builds what this machine does not have.

    Args:
        image: None for the base image.
        fuel: compile it so that instructions are counted.
        epoch: compile it so that it can be interrupted.
        is_quick: trust a file that was checked before and is untouched since, which saves reading
            it: for a command that runs once.

    Raises:
        Misuse: it is no `Image`.
        ImageError: it cannot be made.
    """
    from sandboxes.wasm.image import BASE, Image, ensure, quick_path

    image = BASE if image is None else image
    if not isinstance(image, Image):
        raise Misuse("image", f"must be an Image, not {type(image).__name__}")
    known = quick_path(image, fuel=fuel, epoch=epoch) if is_quick else None
    return known or ensure(image, fuel=fuel, epoch=epoch)


def compiled_module(module: object, limits: Limits, *, epoch: bool = True) -> bytes:
    """Return the path of a .wasm program, compiled, as the buffer of a run.

    Raises:
        Misuse: neither a path nor bytes.
        ImageFailed: it is no valid program, or over a cap.
    """
    from sandboxes.wasm.image import compile_module

    if not isinstance(module, str | bytes | os.PathLike):
        raise Misuse("module", f"must be a path or bytes, not {type(module).__name__}")
    try:
        fuel = limits.fuel is not None
        return os.fsencode(compile_module(module, fuel=fuel, epoch=epoch).path)
    except ImageError as error:
        raise translated(error) from None
