"""Raise the signal of a broken program"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-250",),
    guest="""
import signal

signal.raise_signal(signal.SIGSEGV)
""",
)
