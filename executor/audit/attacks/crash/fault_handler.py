"""Fault on purpose, by a function made for tests"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-476",),
    guest="""
import faulthandler

faulthandler._sigsegv()
""",
)
