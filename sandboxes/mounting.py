"""Where directories of the host may be mounted in a native cell. Decides; mounts nothing."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.messages import Mount

#: The working directory of a guest, in a jail with a root of its own.
WORK_PATH = "/work"


def problem_of(mounts: Sequence[Mount], reserved: Sequence[str] = ()) -> str:
    """Return why these mounts cannot be made, "" if they can.

    Args:
        mounts: those of a run.
        reserved: paths of the cell's own, beside its working directory.
    """
    taken = [WORK_PATH, *reserved]
    for mount in mounts:
        path = mount.guest_path.rstrip("/")
        parts = path.split("/")
        is_plain = not parts[0] and not any(part in ("", ".", "..") for part in parts[1:])
        if not (is_plain and len(parts) > 1) or "\0" in path:
            return f"mount {mount.guest_path!r}: a guest path is absolute, below '/', without '..'"
        for other in taken:
            if f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/"):
                return f"mount {path!r}: it would lie in, or hide, {other!r}"
        taken.append(path)
    return ""
