"""Consume an endless iterator into a queue that keeps nothing"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-835",),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import collections
import itertools

collections.deque(itertools.repeat(0), maxlen=0)
""",
)
