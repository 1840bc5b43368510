"""Plant a link to the directory above a mount and go through it"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-61",),
    mount="rw",
    guest="""
import os

os.symlink("..", target["mount"] + "/up")
with open(target["mount"] + "/up/canary/secret") as file:
    print(file.read())
""",
)
