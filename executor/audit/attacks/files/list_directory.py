"""List a directory of the host"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-548",),
    guest="""
import os

if "secret" in os.listdir(target["dir"]):
    print(target["claim"])
""",
)
