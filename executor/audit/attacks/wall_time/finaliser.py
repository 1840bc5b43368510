"""Sleep in a finaliser that is called when the run is over"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-833", "CWE-400"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import time


class Last:
    def __del__(self, sleep=time.sleep):
        sleep(60)


last = Last()
""",
)
