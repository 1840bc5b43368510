"""Write over memory that is not ours"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-787",),
    guest="""
import ctypes

ctypes.memset(4096, 1, 1 << 20)
""",
)
