"""Give a file of the host a second name"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-62",),
    guest="""
import os

os.link(target["file"], target["dir"] + "/second")
""",
)
