"""Loop for ever"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-835",),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
while True:
    pass
""",
)
