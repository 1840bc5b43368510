"""Read a file of the host with the C library"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-22", "CWE-114"),
    guest="""
import ctypes

libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
stream = libc.fopen(target["file"].encode(), b"r")
room = ctypes.create_string_buffer(100)
libc.fread(room, 1, 99, ctypes.c_void_p(stream))
print(room.value)
""",
)
