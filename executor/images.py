"""What guests of a supervisor find: compiled code for Wasm, directories and modules for the others.

An `Image` may say what Wasm guests are built of, what native guests find loaded, or both.

Rule: an image that says nothing to the kind of guest at hand is refused, not ignored.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from executor.errors import Misuse, translated
from executor.kinds import NativeImage
from sandboxes.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocol.fields import Kind
    from protocol.limits import Limits
    from sandboxes.guarantees import Strength
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
    if image.native_only:
        problem = "preload and libraries are for native guests; "
        raise Misuse("image", f"{problem}name packages and preimport for kind='wasm'")
    known = quick_path(image, fuel=fuel, epoch=epoch) if is_quick else None
    return known or ensure(image, fuel=fuel, epoch=epoch)


def native_image(image: ImageGiven | None) -> NativeImage:
    """Return what native guests find: this Python's own directories, and what the image adds.

    Raises:
        Misuse: it is no `Image`, or one for Wasm guests alone.
        ImageError: a directory or a module that it names is not there.
    """
    from sandboxes.wasm.image import BASE, Image

    image = BASE if image is None else image
    if not isinstance(image, Image):
        raise Misuse("image", f"must be an Image, not {type(image).__name__}")
    if image.wasm_only:
        problem = "packages and preimport are for kind='wasm'; a native guest has what is installed"
        raise Misuse("image", f"{problem} here: name it in preload")
    given = [os.path.abspath(path) for path in image.libraries]
    for path in given:
        if not os.path.isdir(path):
            raise ImageError(f"image.libraries: {path!r} is not a directory")
    libraries = list(dict.fromkeys([*_own_libraries(), *given]))
    for module in image.preload:
        _check_module(module, libraries)
    return NativeImage(tuple(libraries), tuple(image.preload))


def check_reachable(image: NativeImage, kind: Kind, jail: Strength) -> None:
    """Refuse interpreters whose own library their cell could not read.

    A root host's cells run as another user. The full jail gives them their libraries under a root
    of their own; in the light one they reach them as any user does.

    Raises:
        ImageError: a directory is closed to them; the text names it.
    """
    if kind != "interpreter" or jail != "light" or os.getuid() != 0:
        return
    for library in image.libraries:
        at = os.path.realpath(library)
        while at != "/":
            if not os.stat(at).st_mode & stat.S_IXOTH:
                problem = f"{library} cannot be read by the user of the cells, as {at} is closed"
                raise ImageError(f"{problem} to others; use jail='full', or a Python elsewhere")
            at = os.path.dirname(at)


def modules_of(image: ImageGiven | None) -> tuple[str, ...]:
    """Return the names of modules that an image says its guests have."""
    return () if image is None else (*image.preimport, *image.preload)


def _own_libraries() -> Sequence[str]:
    """Return where this Python has its library, its extension modules and its packages."""
    import sysconfig

    paths = sysconfig.get_paths()
    dynamic = sysconfig.get_config_var("DESTSHARED") or ""
    found = (paths["stdlib"], dynamic, paths["platstdlib"], paths["purelib"], paths["platlib"])
    return [path for path in dict.fromkeys(found) if os.path.isdir(path)]


def _check_module(name: str, libraries: Sequence[str]) -> None:
    from importlib.machinery import PathFinder

    top = name.partition(".")[0]
    if not all(part.isidentifier() for part in name.split(".")):
        raise ImageError(f"image.preload: {name[:80]!r} is no name of a module")
    if top in sys.builtin_module_names or PathFinder.find_spec(top, list(libraries)) is not None:
        return
    fix = "install it, or add its directory to libraries"
    raise ImageError(f"image.preload: there is no module {top!r} for native guests; {fix}")


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
