"""Move a file out of a mounted directory into the host's"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-22",),
    mount="rw",
    guest="""
import os

os.rename(target["mount"] + "/file", target["mount"] + "/../canary/pushed")
""",
)
