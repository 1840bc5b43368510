"""Cells forked warm from zygotes into their jails: one zygote for each image that pools use.

A zygote that dies takes its cells along. That is not their fault, so it counts against the zygote:
it is started again with backoff, and what was asked of it meanwhile waits.

Rule: nothing here blocks; a zygote is a descriptor in the loop's selector like any other.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Callable, Iterable

from executor.loop.launch import ZYGOTE_MAIN, find_library, take_ahead
from executor.loop.spawn import Death, Spawned, SpawnOwner, describe_exit
from executor.loop.spool import make_scratch
from executor.restart import Backoff, BackoffPolicy, system_jitter
from protocol.messages import DefinePool
from protocol.structs import field, frozen, mutable
from sandboxes.cell_plan import outermost, scratch_bytes, wish_for
from sandboxes.jail.identity import PLAIN_UID
from sandboxes.jail.plan import Jail
from sandboxes.jail.steps import SCRATCH, Wall
from sandboxes.zygote_client import (
    CellExited,
    CellForked,
    CellNotForked,
    Event,
    Recipe,
    ZygoteClient,
    ZygoteGone,
    ZygoteReady,
)

#: The first failure in a row to start a zygote waits; the cells it is asked for wait with it. After
#: this many, they are told that it cannot be started, and their pool's breaker takes over.
FAILURES_MAX = 3
#: A zygote without cells is closed after this, unless a pool that keeps cells ready may want more.
#: Starting one takes 60 ms, closing one 1 ms; keeping one takes a process with the image in it.
IDLE_S = 10.0


@frozen
class _Wanted:
    """A cell that was asked for; `theirs` is its end of the socket until it is forked."""

    number: int
    pool: DefinePool
    spool_path: str
    #: The host's folder for its files, where the jail has no file system of the cell's own.
    scratch_path: str
    ours: socket.socket
    theirs: socket.socket

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


@mutable
class _Zygote:
    """One zygote, alive or waiting to be started again."""

    recipe: Recipe
    backoff: Backoff
    client: ZygoteClient | None = None
    is_ready: bool = False
    waiting: dict[int, _Wanted] = field(default_factory=dict)
    forking: dict[int, _Wanted] = field(default_factory=dict)
    living: set[int] = field(default_factory=set)
    #: A pool that keeps cells ready has its cells from here.
    stays: bool = False
    idle_since: float | None = None

    def note_idle(self, now: float) -> None:
        """Note when the last cell went, if none is left or asked for."""
        if self.stays or self.waiting or self.forking or self.living:
            self.idle_since = None
        elif self.idle_since is None:
            self.idle_since = now

    @property
    def wake_at(self) -> float | None:
        """When it is to be started again, or closed."""
        if self.idle_since is not None:
            return self.idle_since + IDLE_S
        return self.backoff.retry_at if self.client is None and self.waiting else None


class ZygoteSpawner:
    """Starts cells by asking zygotes for them."""

    def __init__(
        self, *, python: str, library_path: str, jail: Jail, sessions_per_cell: int = 0
    ) -> None:
        """Start nothing yet.

        Args:
            python: the interpreter.
            library_path: the folder that holds the wasmtime package.
            jail: for all cells.
            sessions_per_cell: that each of them has room for.
        """
        self._sessions_per_cell = sessions_per_cell
        self._python = python
        self._library_path = library_path
        self._jail = jail
        self._zygotes: dict[Recipe, _Zygote] = {}
        self._zygote_of: dict[int, _Zygote] = {}
        self._deaths: dict[int, Death] = {}
        self._selector: selectors.BaseSelector | None = None
        self._owner: SpawnOwner | None = None
        self._clock: Callable[[], float] = time.monotonic

    def attach(self, selector: selectors.BaseSelector, owner: SpawnOwner) -> None:
        """Begin: zygotes are selected on with the loop's other descriptors."""
        self._selector, self._owner = selector, owner

    def spawn(self, number: int, pool: DefinePool, spool_path: str) -> None:
        """Ask the pool's zygote for a cell; start the zygote first if there is none."""
        zygote = self._zygote_for(pool)
        scratch_path = ""
        try:
            if scratch_bytes(pool) and self._jail.strength == "light":
                scratch_path = make_scratch(spool_path)
            ours, theirs = socket.socketpair()
        except OSError as error:
            assert self._owner is not None
            self._owner.cell_not_spawned(number, Death(f"cannot be started: {error.strerror}"))
            return
        zygote.waiting[number] = _Wanted(number, pool, spool_path, scratch_path, ours, theirs)
        self._zygote_of[number] = zygote
        zygote.stays |= not pool.on_demand
        zygote.idle_since = None
        self._go_on(zygote)

    def death_of(self, number: int, spawned: Spawned) -> Death | None:
        """Say how the cell ended, as its zygote reaped it."""
        del spawned
        return self._deaths.pop(number, None)

    def wake_at(self) -> float | None:
        """Return when the next zygote is to be started again, or closed."""
        due = [zygote.wake_at for zygote in self._zygotes.values()]
        return min((at for at in due if at is not None), default=None)

    def advance(self, now: float) -> None:
        """Start and close the zygotes that are due."""
        for key, zygote in list(self._zygotes.items()):
            if zygote.wake_at is None or zygote.wake_at > now:
                continue
            if zygote.idle_since is None:
                self._go_on(zygote)
            else:
                del self._zygotes[key]
                self._close(zygote)

    def close(self) -> None:
        """Kill all zygotes, and their cells with them."""
        for zygote in self._zygotes.values():
            for wanted in (*zygote.waiting.values(), *zygote.forking.values()):
                wanted.close()
            self._close(zygote)
        self._zygotes.clear()
        while _begun:
            _begun.popitem()[1].close()

    # --- parts -----------------------------------------------------------------------------------
    def _close(self, zygote: _Zygote) -> None:
        if zygote.client is not None:
            if self._selector is not None and self._selector.get_map() is not None:
                self._selector.unregister(zygote.client)
            zygote.client.close()
            zygote.client = None

    def _zygote_for(self, pool: DefinePool) -> _Zygote:
        if pool.kind == "wasm":
            recipe = _recipe(
                self._jail,
                self._library_path,
                pool.image_path,
                pool.fuel,
                pool.interrupt,
                pool.programs,
            )
        else:
            recipe = _native_recipe(self._jail, pool)
        zygote = self._zygotes.get(recipe)
        if zygote is None:
            zygote = _Zygote(recipe, Backoff(BackoffPolicy(), system_jitter))
            self._zygotes[recipe] = zygote
        return zygote

    def _go_on(self, zygote: _Zygote) -> None:
        """Fork what waits if the zygote is ready; start it if it is due."""
        if zygote.client is None:
            if zygote.backoff.retry_at <= self._clock():
                self._start(zygote)
            return
        if not zygote.is_ready:
            return
        for wanted in list(zygote.waiting.values()):
            del zygote.waiting[wanted.number]
            zygote.forking[wanted.number] = wanted
            wish = wish_for(
                wanted.pool,
                wanted.spool_path,
                wanted.scratch_path,
                sessions_bytes=self._sessions_per_cell * _size_of(wanted.pool.image_path),
            )
            zygote.client.fork_cell(wanted.number, wish, wanted.theirs.fileno())
            wanted.theirs.close()
        self._watch(zygote)

    def _start(self, zygote: _Zygote) -> None:
        assert self._selector is not None
        try:
            zygote.client = _begun.pop(zygote.recipe, None) or ZygoteClient.start(
                zygote.recipe, python=self._python
            )
        except OSError as error:
            self._failed(zygote, f"cannot be started: {error.strerror}")
            return
        zygote.is_ready = False
        self._selector.register(
            zygote.client, selectors.EVENT_READ, lambda mask: self._on_zygote(zygote, mask)
        )

    def _on_zygote(self, zygote: _Zygote, mask: int) -> None:
        client = zygote.client
        if client is None:
            return
        if mask & selectors.EVENT_WRITE:
            client.flush()
        for event in client.receive():
            self._take(zygote, event)
        zygote.note_idle(self._clock())
        if zygote.client is client:
            self._watch(zygote)

    def _watch(self, zygote: _Zygote) -> None:
        assert self._selector is not None
        if zygote.client is None:
            return
        events = selectors.EVENT_READ
        if zygote.client.wants_write:
            events |= selectors.EVENT_WRITE
        key = self._selector.get_key(zygote.client)
        if key.events != events:
            self._selector.modify(zygote.client, events, key.data)

    def _take(self, zygote: _Zygote, event: Event) -> None:
        assert self._owner is not None
        match event:
            case ZygoteReady():
                zygote.is_ready = True
                zygote.backoff.succeed()
                self._go_on(zygote)
            case CellForked(number, pid, pidfd):
                wanted = zygote.forking.pop(number)
                zygote.living.add(number)
                scratch_path = wanted.scratch_path
                if scratch_bytes(wanted.pool) and not scratch_path:
                    scratch_path = SCRATCH
                self._owner.cell_spawned(number, Spawned(pid, pidfd, wanted.ours, scratch_path))
            case CellNotForked(number, reason):
                zygote.forking.pop(number).close()
                del self._zygote_of[number]
                self._owner.cell_not_spawned(number, Death(reason))
            case CellExited(number, status, _, _):
                self._note_death(zygote, number, Death(describe_exit(status)))
            case ZygoteGone(cause):
                self._gone(zygote, cause)

    def _note_death(self, zygote: _Zygote, number: int, death: Death) -> None:
        assert self._owner is not None
        zygote.living.discard(number)
        self._zygote_of.pop(number, None)
        self._deaths[number] = death
        self._owner.death_known(number)

    def _gone(self, zygote: _Zygote, cause: str) -> None:
        assert self._owner is not None
        self._close(zygote)
        was_ready, zygote.is_ready = zygote.is_ready, False
        for number in list(zygote.living):
            self._note_death(zygote, number, Death(cause, blameless=True))
        lost, zygote.forking = zygote.forking, {}
        for wanted in lost.values():
            wanted.ours.close()
            self._zygote_of.pop(wanted.number, None)
            self._owner.cell_not_spawned(wanted.number, Death(cause, blameless=was_ready))
        self._failed(zygote, cause)

    def _failed(self, zygote: _Zygote, cause: str) -> None:
        assert self._owner is not None
        zygote.backoff.fail(self._clock())
        if zygote.backoff.failures < FAILURES_MAX:
            self._go_on(zygote)
            return
        given_up, zygote.waiting = zygote.waiting, {}
        for wanted in given_up.values():
            wanted.close()
            self._zygote_of.pop(wanted.number, None)
            self._owner.cell_not_spawned(wanted.number, Death(cause))
        zygote.note_idle(self._clock())


def begin_ahead(image_path: str) -> None:
    """Tell the zygote that was launched ahead what it is to be, before a loop asks for it.

    Args:
        image_path: the compiled image of the plain pool that will be defined.
    """
    ahead, library_path = take_ahead(ZYGOTE_MAIN), find_library()
    if ahead is not None and library_path is not None:
        recipe = _recipe(own_jail("full"), library_path, image_path)
        _begun[recipe] = ZygoteClient.start(recipe, ahead=ahead)


def _size_of(image_path: str) -> int:
    """Return the size of an image, at least that of the memory a sandbox has from its beginning."""
    try:
        return os.stat(image_path).st_size
    except OSError:
        return 0  # its cells tell what is wrong with it


#: Zygotes that were begun ahead, for the first loop that asks for such a one.
_begun: dict[Recipe, ZygoteClient] = {}


def _recipe(
    jail: Jail,
    library_path: str,
    image_path: str,
    fuel: bool = False,
    interrupt: str = "epoch",
    programs: tuple[str, ...] = (),
) -> Recipe:
    return Recipe(
        jail=jail,
        preload="sandboxes.cell_kinds:preload",
        preload_arguments=("wasm", image_path, "fuel" if fuel else "", interrupt, *programs),
        meters="sandboxes.cell_kinds:open_meters",
        import_paths=(library_path,),
    )


def _native_recipe(jail: Jail, pool: DefinePool) -> Recipe:
    """Return the zygote of a native kind: its cells read the libraries, and hold what it loaded."""
    count = str(len(pool.libraries))
    return Recipe(
        jail=jail.__replace__(kind="native", libraries=outermost(pool.libraries)),
        preload="sandboxes.cell_kinds:preload",
        preload_arguments=(pool.kind, count, *pool.libraries, *pool.preload),
        meters="sandboxes.cell_kinds:open_meters",
        import_paths=pool.libraries,
    )


def own_jail(strength: str, without: Iterable[str] = ()) -> Jail:
    """Return the jail that cells of this process get, but for what their kind adds.

    Audits alone leave walls out.
    """
    assert strength in ("full", "light")
    return Jail(
        kind="wasm",
        strength="full" if strength == "full" else "light",
        uid=PLAIN_UID if os.getuid() == 0 else 0,
        host_files=True,
        without=frozenset(map(Wall, without)),
    )
