"""pytest plugin: a host's own suite attacks its own sandboxes.

    isolation_configuration   override it: whose sandboxes, with which mounts, functions and images
    isolation_audit           attacks them: `isolation_audit.assert_holds("files", "network")`
    pytest --cellblock-audit  adds a test for each attack, run against that configuration

Rule: importing this imports nothing but pytest; the rest is loaded when it is first used.
"""

from __future__ import annotations

import pathlib
import types
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from executor.audit.attack import Kind
    from executor.audit.configuration import Configuration
    from executor.audit.fixture import IsolationAudit

_MODULE = "cellblock-audit"
_PARAMETER = "cellblock_attack"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the audit."""
    group = parser.getgroup("cellblock", "isolation audit")
    group.addoption(
        "--cellblock-audit", action="store_true", help="add a test for each attack on the sandboxes"
    )
    group.addoption(
        "--cellblock-audit-only",
        default="",
        metavar="NAMES",
        help="only the attacks on these guarantees, by comma",
    )
    parser.addini("cellblock_attacks", "folders of attacks of your own", type="paths", default=[])
    parser.addini("cellblock_kinds", "kinds of sandbox to attack", type="args", default=["wasm"])


@pytest.fixture(scope="session")
def isolation_configuration() -> Configuration:
    """Whose sandboxes are attacked; override it in your `conftest.py`."""
    from executor.audit.configuration import Configuration

    return Configuration()


@pytest.fixture(scope="session")
def isolation_audit(
    isolation_configuration: Configuration, request: pytest.FixtureRequest
) -> IsolationAudit:
    """Attacks the sandboxes of `isolation_configuration`."""
    from executor.audit.fixture import IsolationAudit

    return IsolationAudit(
        isolation_configuration,
        kinds=_kinds(request.config),
        folders=_folders(request.config),
        chosen=_chosen(request.session.items),
    )


# --- a test for each attack ----------------------------------------------------------------------
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add a test for each attack, before tests are deselected by name."""
    if config.getoption("--cellblock-audit"):
        parent = _home(session, items)
        module = _AttacksModule.from_parent(parent, path=parent.path / _MODULE)
        items += session.genitems(module)


class _AttacksModule(pytest.Module):
    """A module of tests that no file holds: one for each attack and kind."""

    def _getobj(self) -> types.ModuleType:
        module = types.ModuleType(_MODULE, "Attacks on the sandboxes of this suite.")
        parameters = [
            pytest.param((name, kind), id=f"{name}-{kind}")
            for kind in _kinds(self.config)
            for name in _names(self.config)
        ]
        mark = pytest.mark.parametrize(_PARAMETER, parameters)
        module.test_attack = mark(_attack)  # type: ignore[attr-defined]  # what is collected
        return module

    def funcnamefilter(self, name: str) -> bool:
        """Take our own test, whatever this suite calls its tests."""
        return name == "test_attack"


def _attack(isolation_audit: IsolationAudit, cellblock_attack: tuple[str, Kind]) -> None:
    from executor.audit.report import Status

    result = isolation_audit.result(*cellblock_attack)
    text = f"{result.title}: {result.evidence}"
    if result.status in (Status.SKIPPED, Status.NOT_PROMISED):
        pytest.skip(text)
    if result.status is not Status.HELD:
        what = {Status.BIT: "it bit", Status.TOOTHLESS: "it proves nothing, as it never bites"}
        pytest.fail(f"{what.get(result.status, 'it could not be run')}: {text}", pytrace=False)


def _home(session: pytest.Session, items: Iterable[pytest.Item]) -> pytest.Collector:
    """Return where the tests belong: beside the `conftest.py` that says what is attacked."""
    folder = session.config.rootpath
    for plugin in session.config.pluginmanager.get_plugins():
        path = getattr(plugin, "__file__", None) or ""
        if path.endswith("conftest.py") and hasattr(plugin, "isolation_configuration"):
            folder = pathlib.Path(path).parent
    for item in items:  # the directory as it was collected, which knows its fixtures
        for node in item.listchain():
            if isinstance(node, pytest.Directory) and node.path == folder:
                return node
    return pytest.Dir.from_parent(session, path=folder)


def _names(config: pytest.Config) -> Iterator[str]:
    from executor.audit.auditing import select

    only = [name for name in config.getoption("--cellblock-audit-only").split(",") if name]
    yield from select(only=only, folders=_folders(config))


def _chosen(items: Iterable[pytest.Item]) -> tuple[tuple[str, Kind], ...]:
    """Return the attacks that are among the tests to be run."""
    specs: list[Any] = [getattr(item, "callspec", None) for item in items]
    return tuple(spec.params[_PARAMETER] for spec in specs if spec and _PARAMETER in spec.params)


def _folders(config: pytest.Config) -> list[pathlib.Path]:
    folders: list[pathlib.Path] = config.getini("cellblock_attacks")
    return folders


def _kinds(config: pytest.Config) -> tuple[Kind, ...]:
    return tuple(config.getini("cellblock_kinds"))
