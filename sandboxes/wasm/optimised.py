"""The optimised form of a guest: which form is wanted, and building the one that takes long.

A guest works as it comes from the builder, its base form. The optimised form is the same
component with its modules merged (`sandboxes.wasm.merging`): it takes two minutes and Node to
build, so it is built where it is asked for, and used wherever it is there.

    CELLBLOCK_GUEST=base         the base form, also where the other is there
    CELLBLOCK_GUEST=optimised    no other than the optimised form: without it, an error

Rule: the optimised form is found by the bytes of the base form that it was made from, so a change
      of sources, packages or Python leads back to the base form, never to an older guest.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Literal

from sandboxes.errors import ImageError
from sandboxes.wasm import keys
from sandboxes.wasm.cache import Build, Cache
from sandboxes.wasm.records import Record

if TYPE_CHECKING:
    from sandboxes.wasm.progress import Progress

VARIABLE: Final = "CELLBLOCK_GUEST"
#: What the steps take on two cores, for progress.
FETCH_S, MERGE_S = 3.0, 100.0
#: Many times what it was seen to take.
MERGE_S_MAX: Final = 1_800.0
COMMAND: Final = "cellblock image build --optimize"

type Wanted = Literal["best", "base", "optimised"]


def wanted() -> Wanted:
    """Return the form that the environment asks for.

    Raises:
        ImageError: it asks for one that there is not.
    """
    match os.environ.get(VARIABLE, ""):
        case "":
            return "best"
        case "base" | "optimised" as form:
            return form
        case other:
            raise ImageError(f"{VARIABLE} must be base or optimised, not {other[:40]!r}")


def find(cache: Cache, sha256: str) -> Record | None:
    """Return the record of the optimised form of the guest with these bytes, if it was built."""
    return cache.record(keys.merged_key(sha256))


def build(build: Build, guest_path: str, packages: tuple[str, ...], shown: Progress) -> Record:
    """Build the optimised form of the guest at `guest_path`; the lock of its key is held.

    Raises:
        ImageError: the tools cannot be had, or one fails; the text names the fix.
    """
    from sandboxes.wasm.children import run
    from sandboxes.wasm.merging import binaryen

    if why := binaryen.missing():
        raise ImageError(f"an optimised image cannot be built: {why}")
    tools, output = f"{build.work}/tools", f"{build.work}/guest.wasm"
    os.mkdir(tools)
    more = binaryen.environment()
    shown.step("fetching binaryen", FETCH_S, MERGE_S)
    run(["fetch-binaryen", tools], build, shown, seconds_max=MERGE_S_MAX, more=more)
    shown.step("merging and optimising the guest", MERGE_S)
    run(["merge", guest_path, output, tools], build, shown, seconds_max=MERGE_S_MAX)
    return build.keep(
        output, "guest", keys.merged_key(keys.sources_key()), packages, form="optimised"
    )
