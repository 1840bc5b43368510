"""Read where a symbolic link of the host leads"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-59",),
    guest="""
import os

if os.readlink(target["mount_source"] + "/link-out") == target["file"]:
    print(target["claim"])
""",
)
