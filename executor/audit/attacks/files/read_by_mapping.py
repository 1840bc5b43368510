"""Map a file of the host into memory"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-22",),
    guest="""
import mmap

with open(target["file"], "rb") as file:
    print(bytes(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
""",
)
