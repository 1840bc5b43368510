"""Loop in a finaliser that is called when the run is over"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-835", "CWE-772"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
class Last:
    def __del__(self):
        while True:
            pass


last = Last()
""",
)
