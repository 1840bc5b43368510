"""Probes that use capabilities over the zygote's namespaces, which a cell must not have kept.

A user namespace of the cell's own takes them away as well: it owns none of the others.
"""

from __future__ import annotations

import os
import socket
import struct

from sandboxes.jail import kernel
from sandboxes.jail.probes.probe import Judge, Target, probe
from sandboxes.jail.steps import Wall

_KEPT = (Wall.CAPABILITIES, Wall.OWN_USERS, Wall.SECCOMP)
_REMOUNT_BIND = 0x20 | 0x1000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


@probe(Judge.ANSWER, *_KEPT, Wall.LANDLOCK)
def mount(target: Target) -> object:
    """Mount a file system of our own."""
    del target
    kernel.call("mount", b"none", b"/", b"tmpfs", 0, None)
    return True


@probe(Judge.ANSWER, *_KEPT, Wall.LANDLOCK)
def remount_writable(target: Target) -> object:
    """Make the read-only root writable and write to it."""
    del target
    kernel.call("mount", None, b"/", None, _REMOUNT_BIND, None)
    with open("/written", "w") as file:
        return file.write("written") > 0


@probe(Judge.ANSWER, Wall.CAPABILITIES, Wall.SECCOMP)
def chroot(target: Target) -> object:
    """Change the root directory."""
    del target
    os.chroot("/next")
    return True


@probe(Judge.ANSWER, *_KEPT)
def raise_interface(target: Target) -> object:
    """Bring up the loopback interface of the zygote's network, a channel between cells."""
    del target
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = kernel.buffer(struct.pack("<16sH14x", b"lo", _IFF_UP))
        kernel.call("ioctl", sock.fileno(), _SIOCSIFFLAGS, request)
        return True


@probe(Judge.ANSWER, *_KEPT)
def raw_socket(target: Target) -> object:
    """Open a raw socket."""
    del target
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP):
        return True


@probe(Judge.ANSWER, *_KEPT)
def name_host(target: Target) -> object:
    """Change the host name that all cells see, a channel between them."""
    del target
    socket.sethostname("renamed")
    return os.uname().nodename == "renamed"


@probe(Judge.ANSWER, Wall.CAPABILITIES, Wall.SECCOMP)
def new_mounts(target: Target) -> object:
    """Make a mount namespace."""
    del target
    os.unshare(0x2_0000)
    return True


@probe(Judge.ANSWER, Wall.HOSTNAME, gap_in_light=True)
def read_host_name(target: Target) -> object:
    """Learn the name of the machine."""
    return os.uname().nodename == target.host_name
