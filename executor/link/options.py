"""`NatsLink`: how a machine shares its cells with others. And what its isolate is told."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from executor.link.access import Access, access_from
from executor.link.admission import Serving
from executor.link.settings import Settings
from executor.link.wire import PREFIX, QUEUE, is_prefix, is_token
from protocol.messages import RunLimits
from protocol.structs import as_dict, field, frozen

if TYPE_CHECKING:
    from executor.link.keeper import LinkKeeper

SLOTS_MAX = 512
LEASE_S, GIVE_UP_S = 10.0, 600.0


@frozen
class NatsLink:
    """Take runs of other machines' callers from a queue, over NATS JetStream.

    ```python
    with Supervisor(limits=Limits(wall_s=10), link=NatsLink("nats://hub:4222")) as supervisor:
        ...  # runs of its own go on as ever; runs from the queue share its cells
    ```

    The supervisor's `limits` are ceilings for what comes from the queue: a run that asks for more
    is refused.

    Args:
        access: the servers, as "nats://host:4222" or a list of such, or an `Access` that also says
            who we are to them.
        queue: which queue to serve: a word of letters, digits, "-" and "_". Machines with another
            image serve another queue.
        slots: runs to have at hand, those that wait for a cell included; None for twice the cells.
        lease_s: a machine that is silent for so long loses its runs to another; 2 to 3,600. The
            same for all machines of a queue.
        give_up_s: without a connection for so long the link gives up.
        isolate: where it runs: "interpreter" (one of its own in this process), or "process", which
            ws:// and wss:// need.
        prefix: what every subject begins with.

    Raises:
        ValueError: an argument can never work; the text begins with its name.
    """

    access: Access | str | Sequence[str] = field(default_factory=Access)
    queue: str = QUEUE
    slots: int | None = None
    lease_s: float = LEASE_S
    give_up_s: float = GIVE_UP_S
    isolate: Literal["interpreter", "process"] = "interpreter"
    prefix: str = PREFIX

    def __post_init__(self) -> None:
        """Refuse what can never work."""
        access = access_from(self.access)
        object.__setattr__(self, "access", access)
        if not is_token(self.queue):
            raise ValueError(f"queue: must be letters, digits, - and _, not {self.queue[:80]!r}")
        if not is_prefix(self.prefix):
            raise ValueError(f"prefix: must be words with dots between, not {self.prefix[:80]!r}")
        if self.slots is not None and not (
            type(self.slots) is int and 1 <= self.slots <= SLOTS_MAX
        ):
            raise ValueError(f"slots: must be 1 to {SLOTS_MAX}, not {self.slots!r}")
        _check_seconds("lease_s", self.lease_s, 2, 3_600)
        _check_seconds("give_up_s", self.give_up_s, 1, 7 * 24 * 3_600)
        if self.isolate not in ("interpreter", "process"):
            raise ValueError(f'isolate: must be "interpreter" or "process", not {self.isolate!r}')
        if access.needs_process and self.isolate != "process":
            raise ValueError(
                'isolate: ws:// and wss:// need isolate="process": their library loads in no '
                "second interpreter"
            )

    def keeper(self) -> LinkKeeper:
        """Return what keeps such a link running for one supervisor; nothing is started yet.

        Raises:
            Misuse: nats-py is not installed.
        """
        from executor.link.keeper import LinkKeeper

        return LinkKeeper(self)


def _check_seconds(name: str, given: object, low: float, high: float) -> None:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ValueError(f"{name}: must be seconds as a float, not {given!r}")
    if not low <= given <= high:
        raise ValueError(f"{name}: must be {low:g} to {high:g}, not {given!r}")


@frozen
class LinkOptions:
    """What a link's isolate is told when it is started.

    Args:
        settings: every name and number.
        access_json: the servers, and who we are to them.
        door_fd: where pipes to loops come from.
        paths: folders that hold packages which the link needs.
    """

    settings: Settings
    access_json: str = field(repr=False)
    door_fd: int
    paths: tuple[str, ...]

    def to_json(self) -> str:
        """Return it as text, secrets included."""
        settings = as_dict(self.settings)
        serving = as_dict(self.settings.serving)
        serving["ceilings"] = as_dict(self.settings.serving.ceilings)
        settings["serving"] = serving
        return json.dumps([settings, self.access_json, self.door_fd, self.paths])

    @classmethod
    def from_json(cls, text: str) -> LinkOptions:
        """Return what `to_json` wrote."""
        given: list[Any] = json.loads(text)
        settings, access_json, door_fd, paths = given
        serving = settings["serving"]
        settings["serving"] = Serving(
            RunLimits(**serving["ceilings"]),
            tuple(serving["pools"]),
            tuple(serving["functions"]),
            serving["session_key"],
        )
        return cls(Settings(**settings), access_json, door_fd, tuple(paths))
