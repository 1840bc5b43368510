"""Wall: Landlock, the kernel's deny-by-default for files, TCP ports and what lies outside a domain.

Everything this kernel's Landlock can handle is handled, so everything is denied but the paths that
are named. It does not cover metadata (stat, chmod, utime): other walls do.
Source: Linux `Documentation/userspace-api/landlock.rst`.
"""

from __future__ import annotations

import os
import struct

from protocol.structs import frozen
from sandboxes.jail import kernel

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG, _MAKE_SYM = 1 << 7, 1 << 8, 1 << 12
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

READ = _READ_FILE | _READ_DIR
WRITE = (
    READ | _WRITE_FILE | _TRUNCATE | _REMOVE_DIR | _REMOVE_FILE
    | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _REFER
)  # fmt: skip
#: Rights that make sense for a path that is a file and no directory.
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

_FS_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_FS_NEWEST = (1 << 16) - 1
_TCP_BIND_AND_CONNECT = 0b11
_SCOPED_SOCKETS_AND_SIGNALS = 0b11
_CREATE_VERSION = 1
_RULE_PATH_BENEATH = 1
#: Versions from which the kernel knows TCP rules and scopes.
ABI_TCP, ABI_SCOPES = 4, 6


@frozen
class PathRule:
    """What stays possible beneath `path`.

    `optional`: where the cell's user cannot get at it, there is nothing to leave possible.
    """

    path: str
    writable: bool = False
    optional: bool = False


def abi() -> int:
    """Return the version of this kernel's Landlock, 0 if it has none or it is switched off."""
    try:
        return kernel.call("landlock_create_ruleset", None, 0, _CREATE_VERSION)
    except OSError:
        return 0


def restrict(rules: tuple[PathRule, ...] = ()) -> None:
    """Deny this thread everything Landlock knows, but for `rules`.

    Raises:
        OSError: no Landlock here, no-new-privileges is not set, or a path that is not optional
            cannot be had.
    """
    version = abi()
    files = _FS_OF_ABI.get(version, _FS_NEWEST)
    words = [files]
    if version >= ABI_TCP:
        words.append(_TCP_BIND_AND_CONNECT)
    if version >= ABI_SCOPES:
        words.append(_SCOPED_SOCKETS_AND_SIGNALS)
    attributes = struct.pack(f"<{len(words)}Q", *words)
    ruleset = kernel.call("landlock_create_ruleset", attributes, len(attributes), 0)
    try:
        for rule in rules:
            _allow(ruleset, rule, files)
        kernel.call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, rule: PathRule, handled: int) -> None:
    rights = (WRITE if rule.writable else READ) & handled
    try:
        descriptor = os.open(rule.path, os.O_PATH | os.O_CLOEXEC)
    except PermissionError:
        if rule.optional:
            return
        raise
    try:
        if not os.path.isdir(rule.path):
            rights &= _FILE_RIGHTS
        beneath = struct.pack("<Qi", rights, descriptor)
        kernel.call("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, beneath, 0)
    finally:
        os.close(descriptor)
