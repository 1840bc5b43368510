"""Compute a power with many million digits"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-1339", "CWE-834"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
number = 7 ** (7 ** 9)
""",
)
