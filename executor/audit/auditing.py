"""`audit`: every attack, first where it must bite, then on the sandboxes as configured here.

    lanes     a few threads, each with a supervisor of its own, take attack after attack
    arenas    the jail's probes, beside them
    alone     then, one by one, what measures the host itself

Rule: an attack is judged twice, once where its wall is absent; what does not bite there proves
      nothing about the wall.
"""

from __future__ import annotations

import datetime
import pathlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from executor.audit.attack import GUARANTEES, KINDS, Attack, Control, Entry, Harm, Kind
from executor.audit.catalogue import whole
from executor.audit.configuration import Configuration, usual
from executor.audit.disposable import run_native, run_on_loop
from executor.audit.judges import Finding, judge
from executor.audit.kernel import run_probes, with_dependents
from executor.audit.lane import Lane, left_out
from executor.audit.machine import describe
from executor.audit.receiver import run_receiver
from executor.audit.report import (
    Report,
    Result,
    Standing,
    Status,
    control_name,
    standing_of,
)
from executor.audit.targets import Surroundings, Targets
from executor.audit.walls import AnyWall, kernel_walls, parse
from executor.errors import ExecutorError, Misuse
from protocol.structs import frozen

LANES: Final = 3
ARENAS: Final = 2
#: A deadline that seems missed is looked at again, so that one busy moment is not taken for a hole.
TRIALS: Final = 3
_TIMED: Final = (Harm.OUTLIVED, Harm.LATE)


@frozen
class Progress:
    """How far an audit is: what has just been judged, how many of how many."""

    result: Result
    done: int
    total: int


type Listener = Callable[[Progress], object]


def audit(
    kinds: Sequence[Kind] = ("wasm",),
    *,
    only: Iterable[str] = (),
    attacks: Iterable[str] = (),
    folders: Iterable[pathlib.Path] = (),
    configuration: Configuration | None = None,
    without: Iterable[str | AnyWall] = (),
    progress: Listener | None = None,
) -> Report:
    """Attack the sandboxes of this machine and say which promises hold.

    Args:
        kinds: of sandbox, in the order of the report.
        only: guarantees; none for all of them.
        attacks: ids of attacks, as `select` has them; none for all of them.
        folders: of attacks of one's own, in the form of ours.
        configuration: whose sandboxes; None for ours as they come.
        without: walls that are left out, to see that the audit notices.
        progress: told of each result, one at a time.

    Raises:
        Misuse: there is no such kind, guarantee, attack or wall, or a file is no attack.
        ExecutorError: no supervisor can be had at all.
    """
    configuration = configuration or Configuration()
    entries = select(only=only, attacks=attacks, folders=folders)
    down = frozenset(parse(w) if isinstance(w, str) else w for w in without)
    down |= with_dependents(kernel_walls(down))
    _check(kinds, configuration, down)
    chosen = [g for g in GUARANTEES if any(entry.guarantee == g for entry in entries.values())]
    began, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    results: list[Result] = []
    matrix = []
    run = _Run(configuration, down, progress, len(entries) * len(kinds))
    for kind in kinds:
        found, reasons = run.kind(kind, entries)
        results += found
        for guarantee in chosen:
            of_it = [result for result in found if result.guarantee == guarantee]
            matrix.append(standing_of(guarantee, kind, of_it, reasons.get(guarantee, "")))
    return Report(
        describe(),
        tuple(results),
        tuple(cell for cell in matrix if cell.standing is not Standing.NOT_AUDITED),
        time.monotonic() - clock,
        began.isoformat(timespec="seconds"),
        tuple(sorted(wall.value for wall in down)),
        tuple(kinds),
    )


def select(
    *,
    only: Iterable[str] = (),
    attacks: Iterable[str] = (),
    folders: Iterable[pathlib.Path] = (),
) -> dict[str, Entry]:
    """Return the attacks that are chosen, by id.

    Raises:
        Misuse: there is no such guarantee or attack.
    """
    every = whole(folders)
    wanted, names = list(only), list(attacks)
    for guarantee in wanted:
        if guarantee not in GUARANTEES:
            known = ", ".join(GUARANTEES)
            raise Misuse("only", f"there is no guarantee {guarantee!r}; there are {known}")
    for name in names:
        if name not in every:
            raise Misuse("attack", f"there is no attack {name!r}; `cellblock audit --list` has all")
    return {
        entry.id: entry
        for entry in every.values()
        if (not wanted or entry.guarantee in wanted) and (not names or entry.id in names)
    }


def _check(kinds: Sequence[Kind], configuration: Configuration, down: frozenset[AnyWall]) -> None:
    for kind in kinds:
        if kind not in KINDS:
            raise Misuse("kind", f"there is no kind {kind!r}; there are {', '.join(KINDS)}")
    if kernel_walls(down) and configuration.jail in ("light", "none"):
        raise Misuse("without", "walls of the kernel are left out of the full jail alone")
    if down and configuration.supervisor is not None:
        raise Misuse("without", "walls are left out of our own supervisors alone")


class _Run:
    """One audit: its targets, and what it has found so far."""

    def __init__(
        self,
        configuration: Configuration,
        down: frozenset[AnyWall],
        progress: Listener | None,
        total: int,
    ) -> None:
        self._configuration = configuration
        self._down = down
        self._progress = progress
        self._total = total
        self._done = 0
        self._lock = threading.Lock()
        self._found: list[Result] = []
        self._failure: BaseException | None = None

    def kind(self, kind: Kind, entries: dict[str, Entry]) -> tuple[list[Result], dict[str, str]]:
        """Return the results for one kind, and why what is not promised is not."""
        self._found = []
        configuration = self._configuration
        with Surroundings(configuration.protect, configuration.places) as around:
            try:
                reasons = self._not_promised(kind)
            except Misuse as error:
                return [], dict.fromkeys(GUARANTEES, error.problem)
            crowd = [
                e for e in entries.values() if e.attack is not None and not _is_alone(e.attack)
            ]
            alone = [e for e in entries.values() if e.attack is not None and _is_alone(e.attack)]
            probes = [entry for entry in entries.values() if entry.attack is None]
            threads = self._start_probes(kind, probes)
            self._drive(kind, crowd, around, LANES)
            for thread in threads:
                thread.join()
            self._drive(kind, alone, around, 1)
        if self._failure is not None:
            raise self._failure
        order = list(entries)
        self._found.sort(key=lambda result: order.index(result.id))
        return self._found, reasons

    def _not_promised(self, kind: Kind) -> dict[str, str]:
        make = self._configuration.supervisor
        jail = {} if self._configuration.jail is None else {"jail": self._configuration.jail}
        supervisor = usual(kind, cells=1, **jail) if make is None else make(kind)
        try:
            given = supervisor.guarantees()
        finally:
            supervisor.close(within_s=0)
        return {g.name: g.reason for g in given if not g.held}

    # --- lanes -----------------------------------------------------------------------------------
    def _drive(
        self, kind: Kind, entries: Sequence[Entry], around: Surroundings, count: int
    ) -> None:
        """Judge attacks on so many lanes and wait for the last."""
        waiting: queue.SimpleQueue[Entry] = queue.SimpleQueue()
        for entry in entries:
            waiting.put(entry)

        def work() -> None:
            lane = Lane(self._configuration, kind, self._down)
            try:
                while self._failure is None:
                    self._judge(lane, waiting.get_nowait(), kind, around)
            except queue.Empty:
                pass
            except BaseException as error:  # noqa: BLE001 - told by whoever waits for the lanes
                self._failure = self._failure or error
            finally:
                lane.close()

        threads = [
            threading.Thread(target=work, name=f"cellblock-audit-lane-{at}", daemon=True)
            for at in range(min(count, len(entries)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _judge(self, lane: Lane, entry: Entry, kind: Kind, around: Surroundings) -> None:
        attack, began = entry.attack, time.monotonic()
        assert attack is not None
        if kind not in attack.kinds:
            self._note(entry, kind, Status.SKIPPED, f"it is no attack on kind {kind}", None, began)
            return
        if attack.needs == "ipv6" and not _has_ipv6():
            self._note(entry, kind, Status.SKIPPED, "this machine has no IPv6", None, began)
            return
        try:
            control = _control(lane, attack, around)
            here = _here(lane, attack, around)
        except (ExecutorError, OSError, TimeoutError) as error:
            lane.close()
            text = f"{type(error).__name__}: {error}"
            self._note(entry, kind, Status.FAILED, around.secrets.hide(text), None, began)
            return
        status = Status.HELD
        if here.bit:
            status = Status.NOT_PROMISED if kind in attack.not_promised else Status.BIT
        elif not control.bit:
            status = Status.TOOTHLESS
        evidence = here.evidence
        if status is Status.NOT_PROMISED:
            evidence = f"{attack.not_promised[kind]}: {evidence}"
        self._note(entry, kind, status, evidence, control, began)

    # --- probes ----------------------------------------------------------------------------------
    def _start_probes(self, kind: Kind, entries: Sequence[Entry]) -> list[threading.Thread]:
        began = time.monotonic()

        def told(entry: Entry, control: Finding | None, here: Finding | None, why: str) -> None:
            if control is None or here is None:
                status = Status.FAILED if why.startswith("failed") else Status.SKIPPED
                self._note(entry, kind, status, why, control, began)
                return
            status = Status.BIT if here.bit else Status.HELD if control.bit else Status.TOOTHLESS
            self._note(entry, kind, status, here.evidence, control, began)

        jail = self._configuration.jail
        if jail == "none":
            for entry in entries:
                self._note(entry, kind, Status.SKIPPED, "there is no jail", None, began)
            return []
        return run_probes(
            entries,
            told,
            strength="light" if jail == "light" else "full",
            without=kernel_walls(self._down),
            arenas=ARENAS,
        )

    def _note(
        self,
        entry: Entry,
        kind: Kind,
        status: Status,
        evidence: str,
        control: Finding | None,
        began: float,
    ) -> None:
        result = Result(
            entry.id,
            entry.guarantee,
            entry.title,
            entry.references,
            kind,
            status,
            evidence,
            control_name(entry),
            "" if control is None else control.evidence,
            time.monotonic() - began,
            tuple(wall.value for wall in entry.stopped_by),
        )
        with self._lock:
            self._found.append(result)
            self._done += 1
            if self._progress is not None:
                self._progress(Progress(result, self._done, self._total))


def _is_alone(attack: Attack) -> bool:
    return attack.alone or attack.harm in (Harm.GREW, Harm.HELD, Harm.LATE)


def _control(lane: Lane, attack: Attack, around: Surroundings) -> Finding:
    """Run an attack where it has to bite."""
    in_sandbox = attack.control in (Control.WITHOUT, Control.OPENED)
    with Targets(around, attack, is_native=not in_sandbox) as targets:
        match attack.control:
            case Control.NATIVE | Control.CARELESS:
                seen = run_native(attack, targets)
            case Control.RECEIVER:
                seen = run_receiver(attack, targets)
            case Control.LOOP:
                seen = run_on_loop(attack, targets)
            case _:
                seen = lane.run(attack, targets, left_out(attack))
        return judge(attack, seen, targets)


def _here(lane: Lane, attack: Attack, around: Surroundings) -> Finding:
    """Run an attack on the sandbox as it is."""
    findings: list[Finding] = []
    for _ in range(TRIALS if attack.harm in _TIMED else 1):
        with Targets(around, attack) as targets:
            findings.append(judge(attack, lane.run(attack, targets), targets))
        if not findings[0].bit:
            break
    bitten = [finding for finding in findings if finding.bit]
    if len(bitten) * 2 > len(findings):
        return bitten[0]
    return next(finding for finding in findings if not finding.bit)


def _has_ipv6() -> bool:
    import socket

    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True
