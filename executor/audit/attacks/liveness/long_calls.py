"""Starve heartbeats and deadlines by long calls into the interpreter"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.LATE,
    references=("CWE-400", "CWE-834"),
    guest="""
while True:
    sum(range(10**7))
""",
)
