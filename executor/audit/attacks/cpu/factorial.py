"""Compute the factorial of a large number"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-834",),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import math

math.factorial(30_000_000)
""",
)
