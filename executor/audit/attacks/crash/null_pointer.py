"""Read from the address nought"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-476",),
    guest="""
import ctypes

ctypes.string_at(0)
""",
)
