"""Search an endless iterator in one call into the interpreter"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-835",),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import itertools

-1 in itertools.count()
""",
)
