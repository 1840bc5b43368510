"""Makes mounts for the cells of a root supervisor, whose zygote is no root any more.

A root supervisor mounts directories that only root may enter, and expects a guest to find in them
what it finds itself. So one small process stays root: it is forked before the zygote gives root up,
keeps two capabilities, and does one thing, for the zygote alone: make a tree of a path.

The trees are id-mapped: what root owns on the disk belongs to the cell's user in the cell, and what
the cell writes there is root's afterwards. Files of other users keep to their modes.
Source: mount_setattr(2), "ID-mapped mounts".
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
from typing import NoReturn

from sandboxes.jail import capabilities, descriptors, root
from sandboxes.jail.namespaces import Namespace
from sandboxes.jail.parent_death import die_with_parent

_REQUEST_BYTES_MAX = 1 << 20
_TREES_MAX = 200
_IDS_MAX = 2**32 - 1
_ANSWER_S = 10.0
_CAP_DAC_READ_SEARCH, _CAP_SYS_ADMIN = 2, 21
#: Errors that say a file system cannot be id-mapped, or that this root may not.
_NO_MAPPING = (errno.EINVAL, errno.EPERM)


class Mounter:
    """The zygote's end of the process that stays root."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over the socket to a started one; use `start`."""
        self._sock = sock

    @classmethod
    def start(cls, uid: int) -> Mounter:
        """Fork the process. For a root process with one thread.

        Args:
            uid: the user that cells have.

        Raises:
            OSError: no process or socket is to be had.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            ours.close()
            _be_mounter(theirs, uid, parent)
        theirs.close()
        ours.settimeout(_ANSWER_S)
        return cls(ours)

    def open_trees(self, binds: tuple[root.Bind, ...]) -> list[int]:
        """Return one tree for each bind; the caller closes them.

        Raises:
            OSError: one of them cannot be mounted; none is returned then.
        """
        request = json.dumps([[bind.source, bind.writable] for bind in binds]).encode()
        self._sock.send(request)
        data, given, _, _ = socket.recv_fds(self._sock, _REQUEST_BYTES_MAX, _TREES_MAX)
        if len(given) == len(binds):
            return given
        for descriptor in given:
            os.close(descriptor)
        code, text = json.loads(data) if data else (errno.EPIPE, "the mounter is gone")
        raise OSError(code, text)


def _be_mounter(sock: socket.socket, uid: int, parent: int) -> NoReturn:
    try:
        die_with_parent(parent)
        mapping = _mapping(uid)
        descriptors.keep_only({0, 1, 2, sock.fileno(), *([mapping] if mapping >= 0 else [])})
        capabilities.keep_only(1 << _CAP_DAC_READ_SEARCH | 1 << _CAP_SYS_ADMIN)
        while data := sock.recv(_REQUEST_BYTES_MAX):
            _answer(sock, json.loads(data), mapping)
    finally:
        os._exit(0)


def _answer(sock: socket.socket, binds: list[tuple[str, bool]], mapping: int) -> None:
    trees: list[int] = []
    try:
        for source, writable in binds:
            trees.append(tree := root.open_tree(source, writable=writable))
            if mapping >= 0:
                _map_owner(tree, mapping)
        socket.send_fds(sock, [b"[0]"], trees)
    except OSError as error:
        sock.send(json.dumps([error.errno, error.strerror]).encode())
    finally:
        for tree in trees:
            os.close(tree)


def _map_owner(tree: int, mapping: int) -> None:
    """Show root's files as the cell's; where that is refused, the modes of files decide."""
    try:
        root.map_owners(tree, mapping)
    except OSError as error:
        if error.errno not in _NO_MAPPING:
            raise


def _mapping(uid: int) -> int:
    """Return a user namespace in which root is the cell's user, -1 if there can be none.

    All other users stay who they are where this root may say so; in a container that has few users
    they are nobody's.
    """
    others = f"1 1 {uid - 1}\n{uid} 0 1\n{uid + 1} {uid + 1} {_IDS_MAX - uid - 1}"
    first = _new_mapping(f"0 {uid} 1\n{others}")
    return first if first >= 0 else _new_mapping(f"0 {uid} 1")


def _new_mapping(lines: str) -> int:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(OSError):
            os.unshare(Namespace.USERS)
        os.write(writing, b"1")
        signal.pause()
    try:
        os.read(reading, 1)
        for kind in ("uid_map", "gid_map"):
            with open(f"/proc/{pid}/{kind}", "w") as file:
                file.write(lines)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)
        os.close(writing)
