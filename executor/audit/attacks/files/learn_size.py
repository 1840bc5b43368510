"""Learn the size of a file of the host"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-203", "CWE-538"),
    guest="""
import os

if os.stat(target["file"]).st_size > 0:
    print(target["claim"])
""",
)
