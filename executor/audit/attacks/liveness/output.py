"""Starve heartbeats and deadlines by output"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.LATE,
    references=("CWE-400", "CWE-779"),
    guest="""
while True:
    print("x" * 1_000)
""",
)
