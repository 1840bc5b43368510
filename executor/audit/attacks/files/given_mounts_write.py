"""Write where the host keeps its own files, through what is mounted"""

from executor.audit.attack import Attack, Harm, Hole

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-732", "CWE-552"),
    hole=Hole(mount="rw"),
    guest="""
import os


def places():
    try:
        for name in os.listdir("/"):
            if name not in ("proc", "sys", "dev"):
                yield "/" + name
    except OSError:
        pass
    yield from target["mounts"]


def ends(path):
    parts = path.strip("/").split("/")
    for at in range(len(parts)):
        yield "/".join(parts[at:])


for place in places():
    for path in (target["dir"], *target["planted_dirs"]):
        for end in (*ends(path), ""):
            try:
                with open(f"{place}/{end}/cellblock-audit-was-here", "x") as file:
                    file.write("x")
            except (OSError, ValueError):
                pass
""",
)
