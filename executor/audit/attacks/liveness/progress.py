"""Starve heartbeats and deadlines by notes of progress"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.LATE,
    references=("CWE-400", "CWE-799"),
    guest="""
import host

at = 0
while True:
    at += 1
    host.progress(at % 1000 / 1000, "x" * 1_000)
""",
)
