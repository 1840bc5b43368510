"""Probes on the host's files: an empty root, Landlock and the filter each have to stop them.

Landlock does not know metadata: what only touches that, the other two stop.
"""

from __future__ import annotations

import os

from sandboxes.jail import kernel
from sandboxes.jail.probes.probe import Judge, Target, probe
from sandboxes.jail.steps import Wall

_ALL = (Wall.ROOT, Wall.LANDLOCK, Wall.SECCOMP)
_METADATA = (Wall.ROOT, Wall.SECCOMP)


@probe(Judge.SECRET, *_ALL)
def read(target: Target) -> object:
    """Read a file of the host by its path."""
    with open(target.file) as file:
        return file.read()


@probe(Judge.SECRET, *_ALL)
def read_relative(target: Target) -> object:
    """Read a file of the host by climbing up from the working directory."""
    with open("../" * 40 + target.file.lstrip("/")) as file:
        return file.read()


@probe(Judge.SECRET, *_ALL)
def read_through_proc(target: Target) -> object:
    """Read a file of the host through the root link of our own /proc entry."""
    with open("/proc/self/root" + target.file) as file:
        return file.read()


@probe(Judge.SECRET, *_ALL)
def list_directory(target: Target) -> object:
    """List a directory of the host."""
    return " ".join(os.listdir(target.directory))


@probe(Judge.ANSWER, *_METADATA, gap_in_light_with_files=True)
def stat(target: Target) -> object:
    """Learn the size of a file of the host."""
    return os.stat(target.file).st_size == target.file_bytes


@probe(Judge.SECRET, *_ALL)
def read_old_root(target: Target) -> object:
    """Enter a directory of the host and read a file from there."""
    os.chdir(target.directory)
    with open(os.path.basename(target.file)) as file:
        return file.read()


@probe(Judge.CANARY, *_ALL)
def write(target: Target) -> object:
    """Overwrite a file of the host."""
    with open(target.file, "r+") as file:
        return file.write("overwritten")


@probe(Judge.CANARY, *_ALL)
def create(target: Target) -> object:
    """Create a file in a directory of the host."""
    with open(os.path.join(target.directory, "created"), "x") as file:
        return file.write("created")


@probe(Judge.CANARY, *_ALL)
def truncate(target: Target) -> object:
    """Empty a file of the host."""
    os.truncate(target.file, 0)
    return True


@probe(Judge.CANARY, *_ALL)
def unlink(target: Target) -> object:
    """Delete a file of the host."""
    os.unlink(target.file)
    return True


@probe(Judge.CANARY, *_ALL)
def rename(target: Target) -> object:
    """Rename a file of the host."""
    os.rename(target.file, target.file + ".renamed")
    return True


@probe(Judge.CANARY, *_ALL)
def symlink(target: Target) -> object:
    """Plant a symbolic link in a directory of the host."""
    os.symlink("/etc/passwd", os.path.join(target.directory, "planted"))
    return True


@probe(Judge.CANARY, *_ALL)
def hard_link(target: Target) -> object:
    """Give a file of the host a second name in the same directory."""
    os.link(target.file, os.path.join(target.directory, "linked"))
    return True


@probe(Judge.CANARY, *_ALL)
def make_directory(target: Target) -> object:
    """Create a directory on the host."""
    os.mkdir(os.path.join(target.directory, "made"))
    return True


@probe(Judge.CANARY, *_ALL)
def make_fifo(target: Target) -> object:
    """Create a named pipe on the host."""
    os.mkfifo(os.path.join(target.directory, "fifo"))
    return True


@probe(Judge.CANARY, *_METADATA)
def chmod(target: Target) -> object:
    """Make a file of the host executable for all."""
    os.chmod(target.file, 0o777)
    return True


@probe(Judge.CANARY, *_METADATA)
def set_times(target: Target) -> object:
    """Backdate a file of the host."""
    os.utime(target.file, (1, 1))
    return True


@probe(Judge.ANSWER, Wall.ROOT, Wall.SECCOMP)
def watch(target: Target) -> object:
    """Watch a directory of the host for changes."""
    descriptor = kernel.call("inotify_init1", 0)
    libc = kernel.library()
    return libc.inotify_add_watch(descriptor, target.directory.encode(), 0x100) > 0


@probe(Judge.SECRET, Wall.ROOT, Wall.LANDLOCK, Wall.SECCOMP, Wall.IDENTITY, root_only=True)
def read_as_root(target: Target) -> object:
    """Read a file that only root may read."""
    with open(target.root_file) as file:
        return file.read()
