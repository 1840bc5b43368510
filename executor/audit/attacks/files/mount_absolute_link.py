"""Plant an absolute link in a mounted directory and follow it out"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-61",),
    mount="rw",
    guest="""
import os

os.symlink(target["file"], target["mount"] + "/planted")
with open(target["mount"] + "/planted") as file:
    print(file.read())
""",
)
