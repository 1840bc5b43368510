"""Starve heartbeats and deadlines by very many short sleeps"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.LATE,
    references=("CWE-400",),
    guest="""
import time

while True:
    time.sleep(0.0001)
""",
)
