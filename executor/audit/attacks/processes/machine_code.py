"""Run machine code of one's own"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-94", "CVE-2023-26489"),
    guest="""
import ctypes
import mmap

room = mmap.mmap(-1, 4096, prot=7)
room.write(b"\\xb8\\x2a\\x00\\x00\\x00\\xc3" if True else b"")
function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(room)))
if function:
    print(target["claim"])
""",
)
