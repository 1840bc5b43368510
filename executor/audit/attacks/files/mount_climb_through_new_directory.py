"""Climb out of a mounted directory by way of a new one in it"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-23",),
    mount="rw",
    guest="""
import os

os.makedirs(target["mount"] + "/a/b")
with open(target["mount"] + "/a/b/../../../canary/secret") as file:
    print(file.read())
""",
)
