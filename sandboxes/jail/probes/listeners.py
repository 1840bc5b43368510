"""Targets on the network and in shared memory: made, listened on, and removed again."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import socket

from sandboxes.jail import kernel
from sandboxes.jail.probes.probe import Addresses

_IPC_CREATE_ALL = 0o1000 | 0o2000 | 0o666
_IPC_RMID = 0


class Listeners:
    """Sockets on loopback, abstract names and paths, that notice being spoken to."""

    def __init__(self, directory: str) -> None:
        """Listen; paths lie in `directory`."""
        self._undo = contextlib.ExitStack()
        name = f"cellblock-{secrets.token_hex(8)}"
        self._stream_path = os.path.join(directory, "stream")
        self._datagram_path = os.path.join(directory, "datagram")
        self._stream_name, self._datagram_name = f"{name}-s", f"{name}-d"
        self._tcp4 = self._stream(socket.AF_INET, ("127.0.0.1", 0))
        self._tcp6 = self._stream_on_ipv6()
        self._udp = self._datagram(socket.AF_INET, ("127.0.0.1", 0))
        self._streams = [
            self._tcp4,
            self._stream(socket.AF_UNIX, self._stream_path),
            self._stream(socket.AF_UNIX, "\0" + self._stream_name),
        ]
        if self._tcp6 is not None:
            self._streams.append(self._tcp6)
        self._datagrams = [
            self._udp,
            self._datagram(socket.AF_UNIX, self._datagram_path),
            self._datagram(socket.AF_UNIX, "\0" + self._datagram_name),
        ]
        for path in (self._stream_path, self._datagram_path):
            os.chmod(path, 0o777)

    def __enter__(self) -> Listeners:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def addresses(self) -> Addresses:
        """Return where we listen."""
        return Addresses(
            tcp4_port=self._tcp4.getsockname()[1],
            tcp6_port=self._tcp6.getsockname()[1] if self._tcp6 is not None else 0,
            udp_port=self._udp.getsockname()[1],
            stream_path=self._stream_path,
            stream_name=self._stream_name,
            datagram_path=self._datagram_path,
            datagram_name=self._datagram_name,
        )

    def heard(self) -> bool:
        """Return whether anybody spoke to us since the last call."""
        found = False
        for listener in self._streams:
            with contextlib.suppress(BlockingIOError):
                listener.accept()[0].close()
                found = True
        for listener in self._datagrams:
            with contextlib.suppress(BlockingIOError):
                listener.recv(1_024)
                found = True
        return found

    def _stream(self, family: int, address: object) -> socket.socket:
        sock = self._undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
        sock.bind(address)  # type: ignore[arg-type]  # depends on the family
        sock.listen()
        sock.setblocking(False)
        return sock

    def _stream_on_ipv6(self) -> socket.socket | None:
        try:
            return self._stream(socket.AF_INET6, ("::1", 0))
        except OSError:
            return None

    def _datagram(self, family: int, address: object) -> socket.socket:
        sock = self._undo.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        sock.bind(address)  # type: ignore[arg-type]  # depends on the family
        sock.setblocking(False)
        return sock


class SharedSegment:
    """A System V shared memory segment that anybody on the host may read."""

    def __init__(self, content: bytes) -> None:
        """Make it and write `content` to its start."""
        libc = kernel.library()
        libc.shmat.restype = ctypes.c_void_p
        self.key = secrets.randbelow(2**31 - 2) + 1
        self._number = libc.shmget(self.key, 4_096, _IPC_CREATE_ALL)
        if self._number < 0:
            raise OSError(ctypes.get_errno(), "shmget")
        address = libc.shmat(self._number, None, 0)
        ctypes.memmove(address, content, len(content))
        libc.shmdt(ctypes.c_void_p(address))

    def __enter__(self) -> SharedSegment:
        return self

    def __exit__(self, *_: object) -> None:
        kernel.library().shmctl(self._number, _IPC_RMID, None)
