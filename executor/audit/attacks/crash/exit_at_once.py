"""End the process without a word to anybody"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-382",),
    guest="""
import os

os._exit(0)
""",
)
