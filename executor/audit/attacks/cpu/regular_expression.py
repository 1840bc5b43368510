"""Match a regular expression that takes exponential time"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-1333",),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import re

re.match(r"(a+)+$", "a" * 64 + "!")
""",
)
