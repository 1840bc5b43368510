"""Ask the interpreter to end"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-382",),
    guest="""
import sys

sys.exit(3)
""",
)
