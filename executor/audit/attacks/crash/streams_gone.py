"""Take away the standard streams"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-703",),
    guest="""
import sys

sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None
""",
)
