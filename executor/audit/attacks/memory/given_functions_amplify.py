"""Have a host function make much out of little"""

from executor.audit import holes
from executor.audit.attack import Attack, Harm, Hole

ATTACK = Attack(
    harm=Harm.GREW,
    references=("CWE-789", "CWE-770"),
    hole=Hole(functions=holes.only(holes.repeat)),
    taken_bytes=90 << 20,
    guest="""
import host

def offered():
    for name in dir(host):
        if name not in ("progress", "HostError", "ValueRefused") and not name.startswith("_"):
            yield name, getattr(host, name)


for name, function in offered():
    for arguments in (("x", 100_000_000), (100_000_000,), ("%0100000000d",), ("x" * 1000, 100_000)):
        try:
            function(*arguments)
        except Exception:
            pass
""",
)
