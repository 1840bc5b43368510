"""Sleep in a function that is called at exit"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-833", "CWE-400"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import atexit
import time

atexit.register(time.sleep, 60)
""",
)
