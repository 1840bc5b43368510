"""Every attack by its id: those in `attacks/`, the jail's probes, and those of a host's own folder.

Rule: a file that is no attack, or one that could never be judged, is an error that names it.
"""

from __future__ import annotations

import ast
import importlib.util
import pathlib
from collections.abc import Iterable, Iterator
from typing import Final

from executor.audit.attack import GUARANTEES, Attack, Entry, Harm
from executor.errors import Misuse
from sandboxes.jail.probes.probe import Probe, catalogue as probes

FOLDER: Final = pathlib.Path(__file__).parent / "attacks"
#: What each group of probes is an attack on; `_OF_PROBE` where one differs from its group.
_OF_GROUP: Final = {
    "files": "files",
    "network": "network",
    "signals": "processes",
    "memory": "processes",
    "descriptors": "secrets",
    "processes": "processes",
    "resources": "memory",
    "privileges": "processes",
    "surface": "processes",
}
_OF_PROBE: Final = {
    "descriptors.read_leaked": "secrets",
    "descriptors.read_any": "secrets",
    "descriptors.read_environment": "secrets",
    "descriptors.read_initial_stack": "secrets",
    "descriptors.give": "protocol",
    "descriptors.take": "protocol",
    "memory.process_vm_read": "secrets",
    "memory.ptrace": "secrets",
    "memory.proc_mem": "secrets",
    "memory.steal_descriptor": "secrets",
    "memory.shared_memory": "state",
    "memory.outlive": "wall_time",
    "memory.forget_parent_death": "wall_time",
    "processes.outlive": "wall_time",
    "processes.forget_parent_death": "wall_time",
    "privileges.name_host": "state",
    "privileges.read_host_name": "state",
    "privileges.raise_interface": "network",
    "privileges.raw_socket": "network",
    "privileges.mount": "files",
    "privileges.remount_writable": "files",
    "privileges.chroot": "files",
    "privileges.new_mounts": "files",
    "surface.watch_files": "files",
    "resources.message_queue": "processes",
}


def load(folder: pathlib.Path = FOLDER) -> dict[str, Entry]:
    """Return the attacks of a folder by id, in the order of the guarantees, then of their names.

    Args:
        folder: holds a folder for each guarantee that it has attacks on.

    Raises:
        Misuse: a file in it is no attack.
    """
    found = [_read(path) for path in _files(folder)]
    found.sort(key=lambda entry: (GUARANTEES.index(entry.guarantee), entry.id))
    return {entry.id: entry for entry in found}


def adopted() -> dict[str, Entry]:
    """Return the jail's probes as attacks from a cell that the guest owns."""
    return {entry.id: entry for entry in map(_adopt, probes().values())}


def whole(folders: Iterable[pathlib.Path] = ()) -> dict[str, Entry]:
    """Return every attack: ours, the probes, and those of other folders.

    Raises:
        Misuse: a folder is none, a file is no attack, or two have the same id.
    """
    every = load() | adopted()
    for folder in folders:
        if not folder.is_dir():
            raise Misuse("attacks", f"{folder} is no folder")
        for name, entry in load(folder).items():
            if name in every:
                raise Misuse("attacks", f"{entry.origin}: there is an attack {name} already")
            every[name] = entry
    return every


def _files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    for path in sorted(folder.glob("*/*.py")):
        if path.name == "__init__.py":
            continue
        if path.parent.name not in GUARANTEES:
            names = ", ".join(GUARANTEES)
            raise Misuse("attacks", f"{path}: its folder must be named after one of {names}")
        yield path


def _read(path: pathlib.Path) -> Entry:
    name = f"{path.parent.name}.{path.stem}"
    spec = importlib.util.spec_from_file_location(f"executor.audit.attacks.{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise Misuse("attacks", f"{path}: {type(error).__name__}: {error}") from error
    attack = getattr(module, "ATTACK", None)
    if not isinstance(attack, Attack):
        raise Misuse("attacks", f"{path}: has no ATTACK = Attack(...)")
    title = (module.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    if problem := _problem(attack, title):
        raise Misuse("attacks", f"{path}: {problem}")
    return Entry(name, path.parent.name, title, attack, "", attack.walls, str(path))


def _problem(attack: Attack, title: str) -> str:
    """Return why an attack could not be judged, "" if it can."""
    if not title:
        return "its docstring has to say what it tries"
    if bool(attack.guest) == bool(attack.lies):
        return "it needs either a guest's source or lies of a cell"
    if attack.harm in (Harm.EXCESS, Harm.OUTLIVED, Harm.HELD) and not (attack.walls or attack.lies):
        return f"{attack.harm} is measured against a limit: name it in walls"
    if attack.harm in (Harm.HELD, Harm.GREW) and not attack.taken_bytes:
        return f"{attack.harm} needs taken_bytes"
    for source in (attack.guest, attack.then):
        try:
            ast.parse(source)
        except SyntaxError as error:
            if "# not python" not in source:
                return f"its guest is no Python: {error}"
    return ""


def _adopt(probe: Probe) -> Entry:
    guarantee = _OF_PROBE.get(probe.name) or _OF_GROUP[probe.group]
    title = f"from a cell that the guest owns: {probe.tries[:1].lower()}{probe.tries[1:]}"
    origin = f"sandboxes/jail/probes/{probe.group}.py"
    return Entry(f"jail.{probe.name}", guarantee, title, None, probe.name, probe.walls, origin)
