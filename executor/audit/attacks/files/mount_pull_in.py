"""Move a file of the host into a mounted directory"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-22",),
    mount="rw",
    guest="""
import os

os.rename(target["mount"] + "/../canary/secret", target["mount"] + "/pulled")
""",
)
