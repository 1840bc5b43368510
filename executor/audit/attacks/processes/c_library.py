"""Run a command of the host with the C library"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-78", "CWE-114"),
    guest="""
import ctypes

ctypes.CDLL(None).system(f"touch {target['dir']}/made".encode())
""",
)
