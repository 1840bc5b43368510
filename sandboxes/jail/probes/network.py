"""Probes on the network and on sockets of the host. TCP Landlock knows, the rest it does not."""

from __future__ import annotations

import socket

from sandboxes.jail.probes.probe import Judge, Target, probe
from sandboxes.jail.steps import Wall

_NET, _LANDLOCK, _FILTER, _ROOT = Wall.NETWORK, Wall.LANDLOCK, Wall.SECCOMP, Wall.ROOT
_MESSAGE = b"from a cell"


@probe(Judge.HEARD, _NET, _LANDLOCK, _FILTER)
def tcp4(target: Target) -> object:
    """Connect to a port on loopback."""
    with socket.socket(socket.AF_INET) as sock:
        sock.connect(("127.0.0.1", target.listeners.tcp4_port))
        return sock.send(_MESSAGE)


@probe(Judge.HEARD, _NET, _LANDLOCK, _FILTER, optional=True)
def tcp6(target: Target) -> object:
    """Connect to a port on loopback, over IPv6."""
    with socket.socket(socket.AF_INET6) as sock:
        sock.connect(("::1", target.listeners.tcp6_port))
        return sock.send(_MESSAGE)


@probe(Judge.HEARD, _NET, _FILTER)
def udp(target: Target) -> object:
    """Send a datagram to a port on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return sock.sendto(_MESSAGE, ("127.0.0.1", target.listeners.udp_port))


@probe(Judge.HEARD, _NET, _FILTER)
def tcp_fast_open(target: Target) -> object:
    """Connect without connect: send to a port with MSG_FASTOPEN."""
    with socket.socket(socket.AF_INET) as sock:
        return sock.sendto(_MESSAGE, socket.MSG_FASTOPEN, ("127.0.0.1", target.listeners.tcp4_port))


@probe(Judge.HEARD, _NET, _LANDLOCK, _FILTER)
def abstract_stream(target: Target) -> object:
    """Connect to an abstract Unix socket of the host."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("\0" + target.listeners.stream_name)
        return sock.send(_MESSAGE)


@probe(Judge.HEARD, _ROOT, _FILTER)
def path_stream(target: Target) -> object:
    """Connect to a Unix socket in a directory of the host."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(target.listeners.stream_path)
        return sock.send(_MESSAGE)


@probe(Judge.HEARD, _NET, _LANDLOCK, _FILTER)
def abstract_datagram_from_a_pair(target: Target) -> object:
    """Send from one end of a datagram pair to an abstract Unix socket of the host."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        return ours.sendto(_MESSAGE, "\0" + target.listeners.datagram_name)


@probe(Judge.HEARD, _ROOT, _FILTER)
def path_datagram_from_a_pair(target: Target) -> object:
    """Send from one end of a datagram pair to a Unix socket in a directory of the host."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        return ours.sendto(_MESSAGE, target.listeners.datagram_path)


@probe(Judge.ANSWER, _NET, _LANDLOCK, _FILTER)
def listen(target: Target) -> object:
    """Listen on a port of loopback and be reached there."""
    del target
    with socket.socket(socket.AF_INET) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        with socket.socket(socket.AF_INET) as other:
            other.connect(sock.getsockname())
            return True


@probe(Judge.ANSWER, _FILTER)
def netlink(target: Target) -> object:
    """Open a socket to the kernel's routing tables."""
    del target
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as sock:
        sock.bind((0, 0))
        return True
