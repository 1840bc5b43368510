"""Starve heartbeats and deadlines by large arguments"""

from executor.audit import holes
from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.LATE,
    references=("CWE-400", "CWE-770"),
    options={"functions": holes.only(holes.echo)},
    limits={"host_calls": 1_000_000},
    guest="""
import host

piece = b"x" * (1 << 20)
while True:
    host.echo(piece)
""",
)
