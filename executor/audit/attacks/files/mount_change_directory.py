"""Change into a mounted directory and then above it"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-23",),
    mount="ro",
    guest="""
import os

os.chdir(target["mount"])
os.chdir("..")
with open("canary/secret") as file:
    print(file.read())
""",
)
