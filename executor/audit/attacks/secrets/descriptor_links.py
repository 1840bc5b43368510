"""Open anew what is open already, through /proc/self/fd"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-403", "CVE-2024-21626"),
    guest="""
import os

for name in os.listdir("/proc/self/fd"):
    try:
        if not os.path.isfile(f"/proc/self/fd/{name}"):
            continue
        with open(f"/proc/self/fd/{name}", "rb") as file:
            print(file.read(200))
    except OSError:
        pass
""",
)
