"""Starve heartbeats and deadlines by output that is passed on as it comes"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.LATE,
    references=("CWE-400", "CWE-667"),
    options={"on_stdout": len},
    limits={"stdout_bytes": 64 << 20},
    guest="""
import sys

while True:
    sys.stdout.write("x" * 100)
    sys.stdout.flush()
""",
)
