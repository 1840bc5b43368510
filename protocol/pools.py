"""The messages that say what pools and cells are to be; `protocol.messages` gives them their place.

The rules are those of `protocol.messages`.
"""

from __future__ import annotations

from typing import Annotated

from protocol.fields import (
    AtMost,
    Between,
    Bytes,
    Id,
    Interrupt,
    Kind,
    Libraries,
    Path,
    Preload,
    Slots,
)
from protocol.parts import Mount
from protocol.structs import frozen


@frozen
class DefinePool:
    """Make a pool of cells; runs name it by `pool`. Answered by nothing, or `PoolFailed` later.

    What a run needs of the machine its cells must have been given: directories (`mounts`), room
    for files (`files_bytes`), compiled programs (`programs`). `on_demand`: no cell while idle.
    `interrupt`: how a guest is ended at its deadline; `kill` means with its cell, and no sooner.

    `kind`: "wasm" for guests in WebAssembly, from the image; the others run the host's own Python
    and have no image: "process" gives a run a process of its own, "interpreter" an interpreter of
    its own beside others in one process. Their modules are found in `libraries`, and those named
    in `preload` are imported before the first guest. `single_use`: a cell serves one run, or one
    session, and is then ended. `slots`: runs side by side in one cell.
    """

    pool: Id
    kind: Kind
    image_path: Path
    image_sha256: Annotated[str, AtMost(64)]
    cells_max: Annotated[int, Between(1, 1_024)]
    spares: Annotated[int, Between(0, 1_024)]
    stock: Annotated[int, Between(1, 1_024)]
    queue_max: Annotated[int, Between(0, 1_000_000)]
    memory_bytes: Bytes
    fuel: bool = False
    on_demand: bool = False
    mounts: Annotated[tuple[Mount, ...], AtMost(256)] = ()
    files_bytes: Bytes = 0
    programs: Annotated[tuple[Path, ...], AtMost(16)] = ()
    libraries: Libraries = ()
    preload: Preload = ()
    single_use: bool = False
    slots: Slots = 1
    interrupt: Interrupt = "epoch"


@frozen
class DropPool:
    """Forget the pool; its number is never given to another. Runs that wait for it are refused."""

    pool: Id


@frozen
class Setup:
    """First message to a cell: what it is to be, as in `DefinePool`. Answered by `Ready`."""

    version: Annotated[int, Between(1, 65_535)]
    kind: Kind
    image_path: Path
    stock: Annotated[int, Between(1, 1_024)]
    memory_bytes: Bytes
    spool_path: Path = ""
    scratch_path: Path = ""
    fuel: bool = False
    libraries: Libraries = ()
    preload: Preload = ()
    single_use: bool = False
    slots: Slots = 1
    interrupt: Interrupt = "epoch"
