"""Learn how busy the host is"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-200",),
    guest="""
import os

if len(os.getloadavg()) == 3:
    print(target["claim"])
""",
)
