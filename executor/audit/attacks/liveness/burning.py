"""Starve heartbeats and deadlines by computing"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.LATE,
    references=("CWE-400", "CWE-834"),
    guest="""
while True:
    pass
""",
)
