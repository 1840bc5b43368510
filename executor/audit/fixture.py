"""What tests of a host are given: an audit of its own sandboxes, run when a test asks for it."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from executor.audit.attack import Kind
from executor.audit.auditing import audit
from executor.audit.configuration import Configuration
from executor.audit.report import Report, Result, Standing


class IsolationAudit:
    """Attacks the sandboxes of one configuration; what was run once is not run again."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        kinds: Sequence[Kind] = ("wasm",),
        folders: Sequence[pathlib.Path] = (),
        chosen: Sequence[tuple[str, Kind]] = (),
    ) -> None:
        """Run nothing yet.

        Args:
            configuration: whose sandboxes.
            kinds: of sandbox.
            folders: of attacks of the host's own.
            chosen: attacks that will be asked for one by one; they are run together.
        """
        self._configuration = configuration
        self._kinds = tuple(kinds)
        self._folders = tuple(folders)
        self._chosen = tuple(chosen)
        self._results: dict[tuple[str, Kind], Result] = {}

    def run(self, *attacks: str, only: Sequence[str] = ()) -> Report:
        """Run attacks now, all of them if none is named, and return what came of it.

        Args:
            attacks: ids.
            only: guarantees.

        Raises:
            Misuse: there is no such attack or guarantee.
        """
        report = audit(
            self._kinds,
            only=only,
            attacks=attacks,
            folders=self._folders,
            configuration=self._configuration,
        )
        self._results |= {(result.id, result.kind): result for result in report.results}
        return report

    def assert_holds(self, *guarantees: str) -> None:
        """Fail unless guarantees hold, all of them if none is named.

        Raises:
            AssertionError: one is broken or unproven; the text has the evidence.
        """
        report = self.run(only=guarantees)
        wrong = (Standing.BROKEN, Standing.UNPROVEN)
        lines = [
            f"{cell.guarantee} of {cell.kind}: {cell.reason}"
            for cell in report.matrix
            if cell.standing in wrong
        ]
        bitten = {name for cell in report.matrix for name in cell.bitten}
        lines += [f"{r.id}: {r.title}: {r.evidence}" for r in report.results if r.id in bitten]
        assert not lines, "\n".join(lines)

    def result(self, attack: str, kind: Kind) -> Result:
        """Return what came of one attack; those that were chosen are run together.

        Raises:
            Misuse: there is no such attack.
        """
        key = attack, kind
        if key not in self._results:
            missing = [name for name, of in self._chosen if of == kind]
            self.run(*(missing if attack in missing else [attack]))
        return self._results[key]
