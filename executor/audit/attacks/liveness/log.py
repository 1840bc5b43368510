"""Starve heartbeats and deadlines by log entries"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.LATE,
    references=("CWE-400", "CWE-779"),
    guest="""
import logging

while True:
    logging.warning("x" * 1_000)
""",
)
