"""Images: a guest with packages, built once, compiled once, checked before each use.

    ensure(image)            what a supervisor calls: builds what is missing, checks every byte
    quick_path(image)        what a command line calls first: no build, no heavy import, or `None`
    compile_module(program)  the same care for any other .wasm program

Rule 1: nothing is loaded that does not fit its record; it is built anew, silently but for progress.
Rule 2: building and compiling happen in processes made for it; see `sandboxes.wasm.build`.
Rule 3: imports of the build stay inside the functions that build; and as a dataclass takes half a
        millisecond to make, what only we see is a named tuple.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from protocol.structs import field, frozen
from sandboxes.errors import ImageError
from sandboxes.wasm import keys, optimised
from sandboxes.wasm.cache import Build, Cache, digest_file, location
from sandboxes.wasm.records import Form, Kind, Record, Resolved

if TYPE_CHECKING:
    from sandboxes.wasm.progress import Progress

MIB: Final = 1 << 20
MODULE_S_MAX: Final = 20.0
MODULE_BYTES_MAX: Final = 32 * MIB
#: Many times what the slowest step was seen to take.
BUILD_S_MAX: Final = 600.0
#: What the steps take on two cores, for progress.
FETCH_S, BUILD_S, COMPILE_S = 5.0, 9.0, 6.0

type Shown = Progress | Literal["auto"] | None


@frozen
class Image:
    """What a Python guest finds. The first two are for Wasm guests, the others for native ones.

    Args:
        packages: pure-Python packages: requirements ("attrs>=24"), wheels, single modules,
            package or project directories.
        preimport: modules to import at build time, so that a run finds them imported.
        preload: modules to import before the first guest of a cell, from what is installed here.
        libraries: directories that native guests may read and import from, beside this Python's.

    Raises:
        TypeError: not a sequence of text.
    """

    packages: Sequence[str] = field(default=())
    preimport: Sequence[str] = field(default=())
    preload: Sequence[str] = field(default=())
    libraries: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        """Make all of them tuples, so that an image can be a key."""
        for name in ("packages", "preimport", "preload", "libraries"):
            given = getattr(self, name)
            if isinstance(given, str) or not all(isinstance(text, str) for text in given):
                raise TypeError(f"image.{name} must be a sequence of text, not {given!r}")
            object.__setattr__(self, name, tuple(given))

    @property
    def wasm_only(self) -> bool:
        """True if it says something to Wasm guests and nothing to native ones."""
        return bool((self.packages or self.preimport) and not (self.preload or self.libraries))

    @property
    def native_only(self) -> bool:
        """True if it says something to native guests and nothing to Wasm ones."""
        return bool((self.preload or self.libraries) and not (self.packages or self.preimport))


@frozen
class Compiled:
    """Code that fits this machine and this release of wasmtime, ready to be loaded.

    Args:
        path: of the file; it is the user's alone.
        sha256: of its bytes, as they were when they were last read.
        key: of the file in the cache.
        kind: "code" for a Python guest, else "module" (preview 1) or "component" (preview 2).
    """

    path: str
    sha256: str
    key: str
    kind: Kind = "code"


class _Guest(NamedTuple):
    """A built guest: where, its digest, and its record unless a wheel carries it."""

    path: str
    sha256: str
    form: Form = "base"
    packages: tuple[str, ...] = ()
    record: Record | None = None


BASE: Final = Image()


# --- finding -------------------------------------------------------------------------------------
def quick_path(image: Image = BASE, *, fuel: bool = False, epoch: bool = True) -> Compiled | None:
    """Return compiled code that is in the cache and untouched since it was last checked.

    Reads a few small files and no large one, in about a millisecond. `None` means: ask `ensure`.
    """
    cache = Cache(location())
    try:
        if not cache.check():
            return None
        guest = _find_guest(cache, image)
        record = guest and cache.record(keys.code_key(guest.sha256, fuel=fuel, epoch=epoch))
    except (ImageError, OSError):
        return None  # `ensure` says what is wrong
    if record and cache.is_sealed(record):
        return _compiled(cache, record)
    return None


def form_of(image: Image = BASE) -> Form:
    """Return the form of the guest that runs would get.

    Raises:
        ImageError: the cache is not the user's alone, or cellblock is damaged.
    """
    guest = _find_guest(Cache(location()), image)
    return "base" if guest is None else guest.form


def state_of(image: Image = BASE) -> Literal["ready", "built", "missing"]:
    """Return what a first run has to wait for: nothing, the compiler, or build and compiler.

    Raises:
        ImageError: the cache is not the user's alone, or cellblock is damaged.
    """
    if quick_path(image) is not None:
        return "ready"
    cache = Cache(location())
    cache.check()
    return "missing" if _find_guest(cache, image) is None else "built"


def ensure(
    image: Image = BASE,
    *,
    fuel: bool = False,
    epoch: bool = True,
    optimise: bool = False,
    progress: Shown = "auto",
) -> Compiled:
    """Return compiled code for `image`, building what is missing and checking every byte.

    Args:
        image: what the guest consists of.
        fuel: compile it so that instructions are counted.
        epoch: compile it so that it can be interrupted.
        optimise: build the optimised form if it is not there, which takes two minutes and Node;
            from then on it is what this returns.
        progress: "auto" shows a bar on a terminal and lines elsewhere, `None` nothing.

    Raises:
        ImageError: it cannot be built; the text names the fix.
    """
    from sandboxes.wasm.progress import choose

    cache = Cache(location())
    cache.check()
    shown = choose(progress)
    try:
        guest = _find_guest(cache, image) or _make_guest(cache, image, shown)
        if optimise and guest.form == "base":
            guest = _make_optimised(cache, image, guest, shown)
        if guest.form == "base" and optimised.wanted() == "optimised":
            raise ImageError(
                f"{optimised.VARIABLE}=optimised is set, and the image is not optimised; "
                f"build it with: {optimised.COMMAND}"
            )
        record = _checked(cache, keys.code_key(guest.sha256, fuel=fuel, epoch=epoch))
        if record is None:
            if not _is_whole(guest):
                guest = _make_guest_again(cache, image, guest, shown)
            key = keys.code_key(guest.sha256, fuel=fuel, epoch=epoch)
            with cache.building(key) as build:
                record = _checked(cache, key)
                if record is None:
                    record = _compile_guest(build, guest, _variant(fuel, epoch), shown)
    finally:
        shown.close()
    return _compiled(cache, record)


def _compiled(cache: Cache, record: Record) -> Compiled:
    return Compiled(cache.file(record), record.sha256, record.key, record.kind)


def _checked(cache: Cache, key: str) -> Record | None:
    """Return the record of a file whose bytes are those of its record."""
    record = cache.record(key)
    return record if record is not None and cache.verify(record) else None


def _find_guest(cache: Cache, image: Image) -> _Guest | None:
    """Return the guest of `image` if it was built before, in the form that is wanted."""
    guest = _find_base(cache, image)
    if guest is None or guest.form == "optimised" or optimised.wanted() == "base":
        return guest
    merged = optimised.find(cache, guest.sha256)
    return guest if merged is None else _guest(cache, merged)


def _find_base(cache: Cache, image: Image) -> _Guest | None:
    """Return the guest of `image` as it was first built; its bytes are not read here."""
    is_base = not image.packages and not image.preimport
    if is_base and (shipped := _shipped()):
        return shipped
    key = base_key = keys.sources_key()
    if not is_base:
        from sandboxes.wasm import packages

        request = packages.request_key(base_key, image.packages, image.preimport)
        resolved = cache.resolved(request)
        if resolved is None:
            return None
        key = resolved.key
    record = cache.record(key)
    return None if record is None else _guest(cache, record)


def _shipped() -> _Guest | None:
    """Return the finished base guest of a wheel."""
    import json

    try:
        with open(keys.BASE_DIGEST, "rb", buffering=0) as stream:
            fields = json.loads(stream.read())
            sha256, form = fields["sha256"], fields.get("form", "base")
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise ImageError(f"{keys.BASE_DIGEST} is damaged; install cellblock again") from None
    return _Guest(keys.BASE_WASM, str(sha256), "optimised" if form == "optimised" else "base")


def _guest(cache: Cache, record: Record) -> _Guest:
    return _Guest(cache.file(record), record.sha256, record.form, record.packages, record)


# --- building ------------------------------------------------------------------------------------
def _make_guest(cache: Cache, image: Image, shown: Progress) -> _Guest:
    """Build the guest of `image`, unless somebody else is quicker."""
    base_key = keys.sources_key()
    if not image.packages and not image.preimport:
        with cache.building(base_key) as build:
            record = _checked(cache, base_key)
            return _guest(cache, record or _componentize(build, image, (), base_key, shown))
    from sandboxes.wasm import packages

    request = packages.request_key(base_key, image.packages, image.preimport)
    with cache.building(request) as resolving:
        directory = f"{resolving.work}/packages"
        os.mkdir(directory)
        shown.step("fetching packages", FETCH_S, BUILD_S + COMPILE_S)
        names = packages.collect(image.packages, directory)
        key = packages.content_key(base_key, directory, image.preimport)
        with cache.building(key) as build:
            record = _checked(cache, key)
            if record is None:
                os.rename(directory, f"{build.work}/packages")
                record = _componentize(build, image, names, base_key, shown)
        cache.put_resolved(request, Resolved(key, names))
    return _guest(cache, record)


def _componentize(
    build: Build, image: Image, names: tuple[str, ...], base_key: str, shown: Progress
) -> Record:
    import json

    from sandboxes.wasm.children import run

    shown.step("building the guest", BUILD_S, COMPILE_S)
    with open(f"{build.work}/plan.json", "w", encoding="utf-8") as stream:
        json.dump({"preimport": list(image.preimport)}, stream)
    output = f"{build.work}/guest.wasm"
    run(["componentize", build.work, output], build, shown, seconds_max=BUILD_S_MAX)
    if keys.sources_key() != base_key:
        raise ImageError("the sources of the guest changed while it was built; build it again")
    return build.keep(output, "guest", base_key, names)


def _make_optimised(cache: Cache, image: Image, guest: _Guest, shown: Progress) -> _Guest:
    if not _is_whole(guest):
        guest = _make_guest_again(cache, image, guest, shown)
    with cache.building(keys.merged_key(guest.sha256)) as build:
        record = _checked(cache, build.key)
        return _guest(cache, record or optimised.build(build, guest.path, guest.packages, shown))


def _is_whole(guest: _Guest) -> bool:
    found = digest_file(guest.path)
    return found is not None and found.sha256 == guest.sha256


def _make_guest_again(cache: Cache, image: Image, guest: _Guest, shown: Progress) -> _Guest:
    if guest.record is None:
        raise ImageError(f"{guest.path} is damaged; install cellblock again")
    cache.remove(guest.record)
    made = _find_guest(cache, image) or _make_guest(cache, image, shown)
    return made if _is_whole(made) else _make_guest_again(cache, image, made, shown)


def _variant(fuel: bool, epoch: bool) -> str:
    """Return the settings of the engine as `build.py` takes them."""
    return f"{fuel:d}{epoch:d}"


def _compile_guest(build: Build, guest: _Guest, variant: str, shown: Progress) -> Record:
    from sandboxes.wasm.children import run

    shown.step("compiling the guest", COMPILE_S)
    output = f"{build.work}/guest.cwasm"
    command = ["compile", guest.path, output, "component", variant]
    run(command, build, shown, seconds_max=BUILD_S_MAX)
    return build.keep(output, "code", keys.runtime_key(), guest.packages, form=guest.form)


# --- other programs ------------------------------------------------------------------------------
def compile_module(
    program: str | os.PathLike[str] | bytes,
    *,
    fuel: bool = False,
    epoch: bool = True,
    seconds_max: float = MODULE_S_MAX,
    bytes_max: int = MODULE_BYTES_MAX,
    allow_text: bool = False,
    progress: Shown = None,
) -> Compiled:
    """Return a WASI program compiled, from the cache if it was there before.

    Args:
        program: a file, or its bytes: a core module (preview 1) or a component (preview 2).
        fuel: compile it so that instructions are counted.
        epoch: compile it so that it can be interrupted.
        seconds_max: of real time for the compiler.
        bytes_max: of the program.
        allow_text: also take the text form (.wat).
        progress: as for `ensure`.

    Raises:
        ImageError: it is not a valid program, or over a cap.
    """
    import hashlib

    from sandboxes.wasm.given import given
    from sandboxes.wasm.progress import choose

    wasm, kind = given(program, bytes_max, allow_text=allow_text)
    cache = Cache(location())
    key = keys.code_key(hashlib.sha256(wasm).hexdigest(), fuel=fuel, epoch=epoch)
    cache.check()
    record = _checked(cache, key)
    if record is None:
        shown = choose(progress)
        try:
            with cache.building(key) as build:
                record = _checked(cache, key)
                if record is None:
                    variant = _variant(fuel, epoch)
                    record = _compile_program(build, wasm, kind, variant, seconds_max, shown)
        finally:
            shown.close()
    return _compiled(cache, record)


def _compile_program(
    build: Build, wasm: bytes, kind: str, variant: str, seconds_max: float, shown: Progress
) -> Record:
    from sandboxes.wasm.children import run

    shown.step("compiling the program", max(0.1, len(wasm) / MIB))
    source, output = f"{build.work}/program.wasm", f"{build.work}/program.cwasm"
    with open(source, "wb") as stream:
        stream.write(wasm)
    command = ["compile", source, output, kind or "text", variant]
    found = run(command, build, shown, seconds_max=seconds_max, is_untrusted=True)
    kept: Kind = "component" if found == "component" else "module"
    return build.keep(output, kept, keys.runtime_key(), ())
