"""The spool: one private folder of a supervisor, on tmpfs where there is one.

    cellblock-UID-PID-RANDOM/         made by the host; nobody else may list it
        NAME                          a large buffer, written by the host
        cell-7/NAME                   the same file, linked while cell 7 runs the run it belongs to

Cells of a root host run as another user, so its folders may be entered by who knows their names: 64
random bits, told to nobody. Those of an ordinary user are closed to others.

A folder whose host is dead is removed by the next host of the same user.
"""

from __future__ import annotations

import contextlib
import os


def _uid() -> int:
    return os.getuid() if hasattr(os, "getuid") else -1


#: Modes of the folders and files of a spool.
FOLDER_MODE = 0o700 if _uid() else 0o711
FILE_MODE = 0o600 if _uid() else 0o644
#: The folder of a cell's files: a root host's cells write there as another user.
SCRATCH_MODE = 0o700 if _uid() else 0o733
_PREFIX = "cellblock-"
_FILES = "-files"
_CELL = "cell-"


def make_spool() -> str:
    """Make this host's spool folder and return its path.

    Raises:
        OSError: no folder for temporary files can be written.
    """
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else _temporary()  # noqa: S108 - tmpfs; the folder is private
    _remove_abandoned(parent)
    path = os.path.join(parent, f"{_PREFIX}{_uid()}-{os.getpid()}-{os.urandom(8).hex()}")
    os.mkdir(path, FOLDER_MODE)
    return path


def clear_spool(path: str) -> None:
    """Remove what the cells of a dead loop had in the spool; buffers of the host stay.

    Raises:
        OSError: the folder is gone.
    """
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith(_CELL):
                remove_folder(entry.path)


def make_scratch(spool_path: str) -> str:
    """Make a folder for the files of one cell, beside its folder of the spool.

    Raises:
        OSError: it cannot be made.
    """
    path = f"{spool_path}{_FILES}"
    os.mkdir(path)
    os.chmod(path, SCRATCH_MODE)  # whatever the umask says
    return path


def cell_folder(path: str, cell: int) -> str:
    """Return the path of a cell's folder in the spool `path`."""
    return os.path.join(path, f"{_CELL}{cell}")


def remove_cell_folders(spool_path: str) -> None:
    """Remove what a cell had: its folder of the spool, and that of its files if there is one."""
    remove_folder(spool_path)
    remove_folder(f"{spool_path}{_FILES}")


def remove_folder(path: str) -> None:
    """Remove a folder and all in it. Harmless if it is gone."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return
    except OSError:
        # Of a native guest's making, perhaps, in a jail that gives it a folder of the host.
        from sandboxes.scratch import remove_tree

        with contextlib.suppress(OSError):
            remove_tree(path)


def _remove_abandoned(parent: str) -> None:
    mine = f"{_PREFIX}{_uid()}-"
    with os.scandir(parent) as entries:
        for entry in entries:
            if not entry.name.startswith(mine):
                continue
            pid = entry.name.removeprefix(mine).split("-")[0]
            if pid.isdigit() and not _is_alive(int(pid)):
                remove_folder(entry.path)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _temporary() -> str:
    with contextlib.suppress(KeyError):
        return os.environ["TMPDIR"]
    import tempfile

    return tempfile.gettempdir()
