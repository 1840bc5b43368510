"""Connect with the C library"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.HEARD,
    references=("CWE-918",),
    guest="""
import ctypes
import struct

libc = ctypes.CDLL(None)
sock = libc.socket(2, 1, 0)
address = struct.pack("<H", 2) + struct.pack(">H", target["tcp"]) + bytes([127, 0, 0, 1]) + bytes(8)
libc.connect(sock, address, len(address))
""",
)
