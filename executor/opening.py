"""Opens what a supervisor runs on: its image, its loop, its first pool, in this order.

Rule: what cannot be had is told before anything is started.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from executor import isolate as isolates
from executor.errors import translated
from executor.images import check_reachable, compiled_image, native_image
from executor.keeper import Keeper
from sandboxes.errors import SandboxError

if TYPE_CHECKING:
    from executor.isolate import IsolateKind
    from executor.kinds import Choice
    from executor.pools import Sizes
    from protocol.limits import Limits
    from sandboxes.guarantees import Strength
    from sandboxes.wasm.image import Image


def open_keeper(
    image: Image | None,
    choice: Choice,
    *,
    sizes: Sizes,
    limits: Limits,
    isolate: IsolateKind,
    jail: Strength,
) -> Keeper:
    """Start a loop with the pool of plain runs, and return what keeps it.

    Args:
        image: what guests find.
        choice: the kind of sandbox of plain runs, their tenant, who has a cell.
        sizes: of each pool.
        limits: of plain runs.
        isolate: where the loop runs.
        jail: the walls round each cell.

    Raises:
        Misuse: the image is none for this kind.
        ImageFailed: the image cannot be had.
        SupervisorLost: the loop cannot be started.
    """
    compiled = functools.partial(compiled_image, image, is_quick=isolate == "inline")
    native = functools.cache(functools.partial(native_image, image))
    try:
        if choice.kind == "wasm":
            compiled(limits.fuel is not None)
        else:
            check_reachable(native(), choice.kind, jail)
        return Keeper(
            lambda spool_path: isolates.start(isolate, jail=jail, spool_path=spool_path),
            checked=isolate != "inline",
            compiled=compiled,
            native=native,
            choice=choice,
            sizes=sizes,
            limits=limits,
            is_jailed=jail != "none",
        )
    except (SandboxError, OSError) as error:
        raise translated(error) from error
