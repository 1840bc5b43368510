"""Fill a dictionary with keys that all collide"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-407",),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
class Key:
    def __hash__(self):
        return 1

    def __eq__(self, other):
        return self is other


table = {Key(): at for at in range(10**9)}
""",
)
