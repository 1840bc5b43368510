"""Sleep past the deadline"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-833", "CWE-400"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import time

time.sleep(60)
""",
)
