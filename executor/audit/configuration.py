"""Whose sandboxes are audited: ours as they come, or a host's own as it uses them.

Rule: an audit changes of a host's configuration only the limits of its own runs.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from executor.audit.attack import Kind
from protocol.structs import field, frozen

if TYPE_CHECKING:
    from executor.api import Supervisor


def usual(kind: Kind, **settings: Any) -> Supervisor:
    """Return a supervisor of ours for a kind, not opened."""
    from executor.audit.walls import AuditedSupervisor

    return AuditedSupervisor(kind=kind, **settings)


@frozen
class Configuration:
    """What is audited.

    Args:
        supervisor: returns a new supervisor of a kind, not opened; it is closed by the audit. An
            audit asks for several. None for one of ours with nothing special.
        options: of every run, as for `Supervisor.run`: the mounts, host functions and variables
            that guests are given.
        protect: files of the host's that no guest may read; looked for like canaries.
        places: directories of the host's that no guest may see into; a canary is put into each for
            the time of an attack on files.
        jail: the kernel walls, as for `Supervisor`; None for the usual ones.
    """

    supervisor: Callable[[Kind], Supervisor] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    protect: tuple[pathlib.Path, ...] = ()
    places: tuple[pathlib.Path, ...] = ()
    jail: str | None = None

    @property
    def is_ours(self) -> bool:
        """True if nothing in it is a host's own choice."""
        return self.supervisor is None and not self.options
