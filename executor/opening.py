"""Opens what a supervisor runs on: its image, its loop, its first pool, in this order.

Rule: what cannot be had is told before anything is started.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from executor import isolate as isolates
from executor.errors import translated
from executor.images import compiled_image, native_image
from executor.keeper import Keeper
from sandboxes.errors import SandboxError

if TYPE_CHECKING:
    from executor.isolate import IsolateKind
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
    isolate: IsolateKind,
    jail: Strength,
    link: LinkKeeper | None,
) -> Keeper:
    """Start a loop with the pool of plain runs, and return what keeps it.

    Args:
        image: what guests find.
        choice: the kind of sandbox of plain runs, their tenant, who has a cell.
        sizes: of each pool.
        defaults: of plain runs.
        isolate: where the loop runs.
        jail: the walls round each cell.
        link: to other machines, if there is one.

    Raises:
        Misuse: the image is none for this kind.
        ImageFailed: the image cannot be had.
        SupervisorLost: the loop cannot be started.
    """
    compiled = functools.partial(
        compiled_image, image, epoch=sizes.interrupt == "epoch", is_quick=isolate == "inline"
    )
    native = functools.cache(functools.partial(native_image, image))
    limits = defaults.limits
    try:
        if choice.kind == "wasm":
            compiled(limits.fuel is not None)
        else:
            native()
        keeper = Keeper(
            lambda spool_path: isolates.start(
                isolate,
                jail=jail,
                spool_path=spool_path,
                door=link.new_door() if link else None,
                sessions_per_cell=sizes.sessions_per_cell,
            ),
            checked=isolate != "inline",
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
