"""Climb from the descriptor of a mounted directory"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-23", "CVE-2024-21626"),
    mount="ro",
    guest="""
import os

folder = os.open(target["mount"], os.O_RDONLY | os.O_DIRECTORY)
found = os.open("../canary/secret", os.O_RDONLY, dir_fd=folder)
print(os.read(found, 4096))
""",
)
