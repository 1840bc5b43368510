"""Kill one's own process"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-250",),
    guest="""
import os

os.kill(os.getpid(), 9)
""",
)
