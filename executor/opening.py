"""Opens what a supervisor runs on: its image, its loop, its first pool, in this order.

Rule: what cannot be had is told before anything is started.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from executor.errors import translated
from executor.images import check_reachable, compiled_image, native_image
from executor.keeper import Keeper
from sandboxes.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.isolate import Connection
    from executor.kinds import Choice
    from executor.link.keeper import LinkKeeper
    from executor.options import Defaults
    from executor.pools import Sizes
    from sandboxes.guarantees import Strength
    from sandboxes.wasm.image import Image


def open_keeper(
    image: Image | None,
    choice: Choice,
    *,
    sizes: Sizes,
    defaults: Defaults,
    start: Callable[[str | None], Connection],
    is_one_shot: bool,
    jail: Strength,
    link: LinkKeeper | None,
) -> Keeper:
    """Start a loop with the pool of plain runs, and return what keeps it.

    Args:
        image: what guests find.
        choice: the kind of sandbox of plain runs, their tenant, who has a cell.
        sizes: of each pool.
        defaults: of plain runs.
        start: starts the loop on a spool folder, or on a new one for None.
        is_one_shot: for a command that runs once.
        jail: the walls round each cell.
        link: to other machines, if there is one.

    Raises:
        Misuse: the image is none for this kind.
        ImageFailed: the image cannot be had.
        SupervisorLost: the loop cannot be started.
    """
    compiled = functools.partial(
        compiled_image, image, epoch=sizes.interrupt == "epoch", is_quick=is_one_shot
    )
    native = functools.cache(functools.partial(native_image, image))
    limits = defaults.limits
    try:
        if choice.kind == "wasm":
            compiled(limits.fuel is not None)
        else:
            check_reachable(native(), choice.kind, jail)
        keeper = Keeper(
            start,
            checked=not is_one_shot,
            compiled=compiled,
            native=native,
            choice=choice,
            sizes=sizes,
            limits=limits,
            is_jailed=jail != "none",
            on_up=link.loop_up if link else lambda: None,
        )
        if link is not None:
            link.begin(keeper, defaults, sizes.cells)
        return keeper
    except (SandboxError, OSError) as error:
        raise translated(error) from error
