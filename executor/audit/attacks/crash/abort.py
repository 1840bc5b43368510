"""Abort the process"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-617",),
    guest="""
import os

os.abort()
""",
)
