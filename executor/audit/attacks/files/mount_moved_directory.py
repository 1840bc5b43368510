"""Move the directory that one stands in, then climb"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-23", "CWE-367"),
    mount="rw",
    guest="""
import os

os.makedirs(target["mount"] + "/a/b")
os.chdir(target["mount"] + "/a/b")
os.rename(target["mount"] + "/a/b", target["mount"] + "/b")
with open("../../canary/secret") as file:
    print(file.read())
""",
)
