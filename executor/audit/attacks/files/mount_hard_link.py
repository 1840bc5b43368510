"""Link a file of the host into a mounted directory"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-62", "RUSTSEC-2026-0188"),
    mount="rw",
    guest="""
import os

os.link(target["mount"] + "/../canary/secret", target["mount"] + "/linked")
with open(target["mount"] + "/linked") as file:
    print(file.read())
""",
)
