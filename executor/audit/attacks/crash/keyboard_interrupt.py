"""Pretend that the user asked to stop"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-705",),
    guest="""
raise KeyboardInterrupt
""",
)
