"""Runs attacks on one supervisor, one after another, and says what was seen from outside.

An audit has several lanes, each with supervisors of its own: one with a single cell, so that the
next run meets what the one before left there; and others that an attack needs, such as one whose
cells lie or one with a wall left out, for the time of that attack.

Rule 1: a supervisor that refuses runs after an attack is replaced; that is not counted as harm, as
        the attacker's tenant alone is refused.
Rule 2: what is raised beyond `ExecutorError` is the host's harm.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from executor.audit import liveness
from executor.audit.attack import Attack, Control, Harm, Hole, Kind, Limit
from executor.audit.configuration import Configuration, usual
from executor.audit.judges import LATE_S, Seen
from executor.audit.lies import as_text
from executor.audit.measuring import Scales, grown_while
from executor.audit.targets import MOUNTED_AT, VARIABLE, Targets
from executor.audit.walls import AnyWall, hole_without, kernel_walls, limits_without
from executor.checks import mount_from
from executor.errors import ExecutorError, Refused
from protocol.messages import Mount

if TYPE_CHECKING:
    from executor.api import Supervisor
    from executor.handle import RunHandle
    from executor.outcome import Outcome

#: For a run that fails to end at its limits; the audit then says so and goes on.
PATIENCE_S: Final = 30.0
_CLOSE_S: Final = 0.0
_LOOK_S: Final = 0.02
#: After an attack the host has to be able to do this.
_PROOF: Final = "6 * 7"
_PROOF_VALUE: Final = 42
NOTHING: Final[frozenset[AnyWall]] = frozenset()


class Lane:
    """Supervisors of one kind, for one attack after another. Not thread-safe. Close it."""

    def __init__(
        self, configuration: Configuration, kind: Kind, without: frozenset[AnyWall] = NOTHING
    ) -> None:
        """Open nothing yet.

        Args:
            configuration: what is audited.
            kind: of sandbox.
            without: walls left out of all runs.
        """
        self._configuration = configuration
        self._kind = kind
        self._without = without
        self._kept: Supervisor | None = None

    def close(self) -> None:
        """End what is open. Idempotent."""
        if self._kept is not None:
            self._kept.close(within_s=_CLOSE_S)
            self._kept = None

    def run(self, attack: Attack, targets: Targets, without: frozenset[AnyWall] = NOTHING) -> Seen:
        """Run an attack behind all walls but those `without` names.

        Raises:
            ExecutorError: no run could be had.
        """
        down = self._without | without
        for again in (True, False):
            try:
                with self._supervisor(attack, down) as supervisor:
                    return self._seen(supervisor, attack, targets, down)
            except Refused:
                self.close()
                if not again:
                    raise
        raise AssertionError("unreachable")

    # --- supervisors -----------------------------------------------------------------------------
    @contextlib.contextmanager
    def _supervisor(self, attack: Attack, down: frozenset[AnyWall]) -> Iterator[Supervisor]:
        """Give the supervisor that an attack is run on."""
        settings: dict[str, Any] = {}
        if attack.lies:
            # Inline: no spare, so that the first cell, which lies, is the one that has the run.
            settings |= {"lies": as_text(attack.lies, attack.times), "isolate": "inline"}
        elif kernel := kernel_walls(down - self._without):
            settings["without"] = kernel | kernel_walls(self._without)
        if attack.harm is Harm.LATE:
            with self._watched(down) as made:
                yield made
        elif settings:
            with usual(self._kind, cells=1, **self._jail(), **settings) as made:
                yield made
        else:
            if attack.harm is Harm.GREW:
                self.close()  # what is kept for the next large message would not show as growth
            if self._kept is None:
                self._kept = self._make().open()
            yield self._kept

    def _watched(self, down: frozenset[AnyWall]) -> Supervisor:
        """Return one with cells enough to watch some while others are attacked."""
        if self._configuration.supervisor is not None:
            return self._configuration.supervisor(self._kind)
        isolate = "inline" if Limit.ISOLATE in down else "interpreter"
        return usual(self._kind, cells=liveness.CELLS, isolate=isolate, **self._jail())

    def _make(self) -> Supervisor:
        if self._configuration.supervisor is not None:
            return self._configuration.supervisor(self._kind)
        return usual(self._kind, cells=1, without=kernel_walls(self._without), **self._jail())

    def _jail(self) -> dict[str, Any]:
        jail = self._configuration.jail
        return {} if jail is None else {"jail": jail}

    # --- one attack ------------------------------------------------------------------------------
    def _seen(
        self,
        supervisor: Supervisor,
        attack: Attack,
        targets: Targets,
        down: frozenset[AnyWall],
    ) -> Seen:
        scales = Scales() if attack.harm is Harm.HELD else None
        options = self._options(attack, targets, down)
        if scales is not None:
            options["functions"] = {**options.get("functions", {}), "weigh": scales.weigh}
        if attack.harm is Harm.LATE:
            if Limit.ISOLATE in attack.walls:
                seen_file = os.path.join(targets.mount, "seen")
                return liveness.run_held(supervisor, attack, options, seen_file)
            return liveness.run_watched(supervisor, attack, options)
        if attack.harm is Harm.OUTLIVED:
            supervisor.run("0")  # a cell is there: the clock is not started for its making
        if attack.harm is Harm.GREW:
            seen: list[Seen] = []
            grew_bytes = grown_while(lambda: seen.append(_runs(supervisor, attack, options, down)))
            return _with(seen[0], grew_bytes=grew_bytes)
        found = _runs(supervisor, attack, options, down)
        return found if scales is None else _with(found, held_bytes=scales.held_bytes)

    def _options(
        self, attack: Attack, targets: Targets, down: frozenset[AnyWall]
    ) -> dict[str, Any]:
        """Return what is asked for an attack's run."""
        configured = self._configuration.options
        options: dict[str, Any] = {"mode": "script", **configured, **attack.options}
        options["limits"] = limits_without(attack, down)
        mounts = list(options.pop("mounts", ()))
        hole = hole_without(attack, down) or Hole()
        if attack.mount:
            is_writable = attack.mount == "rw" or Limit.READ_ONLY in down
            mounts.append(Mount(targets.mount, MOUNTED_AT, writable=is_writable))
        if hole.mount:
            mounts.append(Mount(targets.canary, "/canary", writable=hole.mount == "rw"))
        if mounts:
            options["mounts"] = mounts
        functions: dict[str, Any] = {}
        for given in (configured.get("functions"), attack.options.get("functions"), hole.functions):
            functions |= _by_name(given or {})
        if functions:
            options["functions"] = functions
        if hole.env:
            options["env"] = {**options.get("env", {}), VARIABLE: targets.around.variable}
        if attack.result:
            options["result"] = attack.result
        told = targets.told(mount=MOUNTED_AT, mounts=[mount_from(m).guest_path for m in mounts])
        options["inputs"] = {**options.get("inputs", {}), "target": told}
        options["tenant"] = f"audit-{id(targets):x}"
        return options


def _runs(
    supervisor: Supervisor, attack: Attack, options: dict[str, Any], down: frozenset[AnyWall]
) -> Seen:
    """Run an attack's guests, then see whether the host can still do its work."""
    restarts = supervisor.statistics().isolate_restarts if attack.harm is Harm.BROKE else 0
    keeps_sandbox = bool(attack.then) and Limit.FRESH in down
    try:
        with contextlib.ExitStack() as undo:
            run: Any = supervisor
            if keeps_sandbox:
                mounts = {"mounts": options.pop("mounts")} if "mounts" in options else {}
                run = undo.enter_context(supervisor.session(**mounts))
            seen = _one(supervisor, run, attack.guest, options, attack)
            if attack.then:
                then = dict(options)
                if attack.tenant and not keeps_sandbox:
                    then["tenant"] = f"{options['tenant']}-{attack.tenant}"
                seen = _one(supervisor, run, attack.then, then, attack)
    except ExecutorError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a guest makes the host raise is the finding
        return Seen(broke=f"the host raised {type(error).__name__}", verdict="none")
    if attack.harm is Harm.BROKE:
        broke = seen.broke or _suffered(supervisor, restarts)
        return _with(seen, broke=broke)
    return seen


def _one(
    supervisor: Supervisor, run: Any, source: str, options: Mapping[str, Any], attack: Attack
) -> Seen:
    """Run one guest: `run` is the supervisor, or a session of it."""
    handle: RunHandle = run.start(source, **options)
    if attack.harm is Harm.OUTLIVED:
        _wait_until_placed(supervisor, handle)
        within_s = float(attack.limits.get("wall_s", options["limits"]["wall_s"])) + LATE_S
    else:
        within_s = PATIENCE_S
    try:
        outcome = handle.result(within_s)
    except TimeoutError:
        handle.cancel()
        outcome = handle.result(PATIENCE_S)
        return _with(_of(outcome), outlived=True, broke="a run did not end at its limits")
    return _of(outcome)


def _wait_until_placed(supervisor: Supervisor, handle: RunHandle) -> None:
    """Wait until a cell has the run: how long it waits for one says nothing about its deadline."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and any(p.queued for p in supervisor.statistics().pools):
        with contextlib.suppress(TimeoutError):
            handle.result(_LOOK_S)
            return


def _of(outcome: Outcome) -> Seen:
    """Return all that came out of a run."""
    error = outcome.error
    parts = [
        outcome.stdout,
        outcome.stderr,
        _shown(outcome.value),
        "" if error is None else f"{error.name} {error.message} {error.traceback}",
        " ".join(f"{entry.logger} {entry.message} {dict(entry.fields)}" for entry in outcome.logs),
        " ".join(f"{name} {data[:4_096]!r}" for name, data in outcome.files.items()),
    ]
    return Seen(
        text="\n".join(part for part in parts if part),
        verdict=outcome.verdict.value,
        error="" if error is None else f"{error.name}: {error.message}",
        stream_bytes={
            "stdout_bytes": len(outcome.stdout_raw),
            "stderr_bytes": len(outcome.stderr_raw),
            "value_bytes": _size(outcome.value),
            "files_bytes": sum(len(data) for data in outcome.files.values()),
            "log_entries": len(outcome.logs),
            "host_calls": outcome.usage.host_calls,
            "error_chars": 0 if error is None else len(error.message) + len(error.traceback),
        },
    )


def _by_name(given: Mapping[str, Any] | Iterable[Any]) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    functions: Iterable[Any] = given
    return {function.__name__: function for function in functions}


def _shown(value: object) -> str:
    if value is None:
        return ""
    try:
        return repr(value)[:1_000_000]
    except Exception as error:  # noqa: BLE001 - a value of many levels, or a long integer
        return type(error).__name__


def _size(value: object) -> int:
    return len(value) if isinstance(value, bytes | str | list | dict) else 0


def _suffered(supervisor: Supervisor, restarts: int) -> str:
    """Return what of the host suffered, "" if nothing did."""
    began = time.monotonic()
    try:
        proof = supervisor.run(_PROOF, limits={"wall_s": 20.0})
        if not supervisor_is_lying(supervisor) and proof.value != _PROOF_VALUE:
            return f"the next run ended as {proof.verdict}"
        if not proof.ok:
            return f"the next run ended as {proof.verdict}"
        if supervisor.statistics().isolate_restarts != restarts:
            return "the supervisor's loop died"
    except Exception as error:  # noqa: BLE001 - whatever it is, the host cannot do its work
        return f"the next run raised {type(error).__name__}"
    if time.monotonic() - began > PATIENCE_S:
        return "the next run waited"
    return ""


def supervisor_is_lying(supervisor: Supervisor) -> bool:
    """Return whether its cells are liars, which compute nothing."""
    return bool(getattr(supervisor, "_lies", ()))


def _with(seen: Seen, **changed: Any) -> Seen:
    import copy

    return copy.replace(seen, **changed)


def left_out(attack: Attack) -> frozenset[AnyWall]:
    """Return what is left out of a sandbox where an attack has to bite."""
    if attack.control is Control.OPENED:
        return frozenset({Limit.NOTHING_GIVEN, *attack.walls})
    return frozenset(attack.walls)
