"""Starve heartbeats and deadlines by calls of host functions"""

from executor.audit import holes
from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.LATE,
    references=("CWE-400", "CWE-799"),
    options={"functions": holes.only(holes.echo)},
    limits={"host_calls": 1_000_000},
    guest="""
import host

while True:
    host.echo(1)
""",
)
