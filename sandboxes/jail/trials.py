"""One trial for each wall: put it up, and see that it stands. Each runs in its own process.

A trial returns what it found as text, or raises. None leaves anything behind.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Callable, Iterator

from sandboxes.jail import (
    capabilities,
    dumpable,
    enter,
    environment,
    identity,
    kernel,
    landlock,
    namespaces,
    no_new_privileges,
    parent_death,
    process_group,
    rlimits,
    root,
)
from sandboxes.jail.namespaces import Namespace
from sandboxes.jail.steps import Wall
from sandboxes.jail.survey import MOUNTS, OVERCOMMIT, PROCESS_DESCRIPTORS

type Trial = Callable[[], str]

_NAMESPACES = {
    Wall.USERS: Namespace(0),
    Wall.NETWORK: Namespace.NETWORK,
    Wall.IPC: Namespace.IPC,
    Wall.HOSTNAME: Namespace.HOSTNAME,
    Wall.CGROUPS: Namespace.CGROUPS,
}
_CAP_BYTES = 64 << 20


class Failed(Exception):
    """A wall was put up and does not hold."""


def trials() -> Iterator[tuple[str, Trial]]:
    """Return everything to try, by name."""
    if os.geteuid() == 0:
        yield Wall.IDENTITY, _identity
    for wall, namespace in _NAMESPACES.items():
        yield wall, lambda new=namespace: _namespace(new)  # type: ignore[misc]  # a default binds it
    yield Wall.PROCESSES, _processes
    yield Wall.ROOT, _root
    yield Wall.OWN_USERS, _own_users
    yield Wall.ENVIRONMENT, _environment
    yield Wall.DESCRIPTORS, _descriptors
    yield Wall.GROUP, _process_group
    yield Wall.RLIMITS, _rlimits
    yield Wall.PARENT_DEATH, _parent_death
    yield Wall.CAPABILITIES, _capabilities
    yield Wall.DUMPABLE, _dumpable
    yield Wall.NO_NEW_PRIVILEGES, _no_new_privileges
    yield Wall.LANDLOCK, _landlock
    yield Wall.SECCOMP, _seccomp
    yield PROCESS_DESCRIPTORS, _process_descriptors
    yield MOUNTS, _mounts
    yield OVERCOMMIT, _overcommit


def _become_plain() -> None:
    """Do as a zygote does: root gives root up before it makes a user namespace."""
    if os.geteuid() == 0:
        identity.become(identity.PLAIN_UID)


def _identity() -> str:
    _become_plain()
    return f"as user {os.getuid()}"


def _namespace(new: Namespace) -> str:
    _become_plain()
    namespaces.enter_new(Namespace.USERS | new)
    return ""


def _processes() -> str:
    _become_plain()
    namespaces.enter_new(Namespace.USERS | Namespace.PROCESSES)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if os.getpid() == 1 else 1)
    if os.waitpid(pid, 0)[1]:
        raise Failed("a forked process is not the first of its namespace")
    return ""


def _root() -> str:
    _become_plain()
    namespaces.enter_new(Namespace.USERS | Namespace.MOUNTS)
    root.enter_empty(enter.ROOT_PLACE)
    if os.path.exists("/etc"):
        raise Failed("the host's files are still there")
    return ""


def _own_users() -> str:
    _become_plain()
    namespaces.enter_new(Namespace.USERS)
    namespaces.leave_user_namespace()
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    try:
        pid = os.fork()
    except BlockingIOError:
        return "threads are counted for each cell"
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    raise Failed("this kernel does not count threads by user namespace (Linux 5.14 does)")


def _environment() -> str:
    environment.clear()
    if os.environ:
        raise Failed("variables are left")
    return ""


def _descriptors() -> str:
    from sandboxes.jail import descriptors

    given = os.dup(1)
    descriptors.keep_only((0, 1, 2))
    try:
        os.fstat(given)
    except OSError:
        os._exit(0)  # the pipe that findings are written to is closed as well
    raise Failed("a descriptor survived")


def _process_group() -> str:
    process_group.lead()
    return ""


def _rlimits() -> str:
    rlimits.limit(rlimits.Resources(_CAP_BYTES))
    try:
        bytearray(2 * _CAP_BYTES)
    except MemoryError:
        return ""
    raise Failed("more memory than the limit was given")


def _parent_death() -> str:
    parent_death.die_with_parent(os.getppid())
    return ""


def _capabilities() -> str:
    capabilities.drop_all()
    if capabilities.effective():
        raise Failed("capabilities are left")
    return ""


def _dumpable() -> str:
    dumpable.hide()
    if kernel.prctl(kernel.PR_GET_DUMPABLE):
        raise Failed("still dumpable")
    return ""


def _no_new_privileges() -> str:
    no_new_privileges.give_up()
    if kernel.prctl(kernel.PR_GET_NO_NEW_PRIVS) != 1:
        raise Failed("not set")
    return ""


def _landlock() -> str:
    version = landlock.abi()
    if not version:
        raise Failed("this kernel has no Landlock, or was started without it")
    _become_plain()
    no_new_privileges.give_up()
    landlock.restrict()
    try:
        os.listdir("/")
    except PermissionError:
        pass
    else:
        raise Failed("a directory can be read from inside the domain")
    lacks = [
        what
        for what, needed in (("TCP", landlock.ABI_TCP), ("scopes", landlock.ABI_SCOPES))
        if version < needed
    ]
    return f"version {version}" + (f", without {' and '.join(lacks)}" if lacks else "")


def _seccomp() -> str:
    pid = os.fork()
    if pid == 0:
        no_new_privileges.give_up()
        try:
            enter.install_filter("wasm", "none")
        except OSError as error:
            os._exit(error.errno or 1)
        kernel.library().getsid(0)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == -signal.SIGSYS:
        return kernel.MACHINE
    raise Failed(os.strerror(status) if status > 0 else "a call that is not in the list went on")


def _process_descriptors() -> str:
    pid = os.fork()
    if pid == 0:
        signal.pause()
    try:
        signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGKILL)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return ""


def _mounts() -> str:
    _become_plain()
    namespaces.enter_new(Namespace.USERS | Namespace.MOUNTS)
    tree = root.open_tree("/usr", writable=False)
    root.enter_empty(enter.ROOT_PLACE, ((tree, "/usr"),))
    os.listdir("/usr")
    root.enter_own((), "/scratch", 1 << 20)
    with open("/scratch/file", "wb") as file:
        file.write(b"1")
    return ""


def _overcommit() -> str:
    """Each Wasm sandbox reserves 4 GiB of address space without using it."""
    reservation = 64 << 30
    none, private_anonymous_noreserve = 0, 0x4022
    address = kernel.call("mmap", 0, reservation, none, private_anonymous_noreserve, -1, 0)
    kernel.library().munmap(ctypes.c_void_p(address), ctypes.c_size_t(reservation))
    with open("/proc/sys/vm/overcommit_memory") as mode:
        return f"mode {mode.read().strip()}"
