"""Read the host's environment with the C library"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-526", "CWE-114"),
    guest="""
import ctypes

libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
print(libc.getenv(target["variable"].encode()))
""",
)
