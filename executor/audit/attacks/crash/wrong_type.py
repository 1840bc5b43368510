"""Make the interpreter take one type for another"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-843", "CVE-2025-22153"),
    guest="""
import ctypes

text = "text" * 3
ctypes.c_size_t.from_address(id(text) + ctypes.sizeof(ctypes.c_void_p)).value = 8
repr(text)
""",
)
