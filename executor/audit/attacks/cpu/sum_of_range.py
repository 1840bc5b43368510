"""Sum for ever in one call into the interpreter"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-834",),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
sum(range(10**15))
""",
)
