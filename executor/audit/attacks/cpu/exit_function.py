"""Loop in a function that is called at exit"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-835",),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import atexit


@atexit.register
def last():
    while True:
        pass
""",
)
