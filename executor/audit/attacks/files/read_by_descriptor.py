"""Open the root directory and read a file of the host relative to it"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-22", "CVE-2024-21626"),
    guest="""
import os

root = os.open("/", os.O_RDONLY)
found = os.open(target["file"].lstrip("/"), os.O_RDONLY, dir_fd=root)
print(os.read(found, 4096))
""",
)
