"""Take memory by frames of a deep recursion"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-674", "CWE-400"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 40 << 20, "wall_s": 15.0},
    taken_bytes=48 << 20,
    not_promised={"interpreter": "the memory of a cell is capped for all of its runs together"},
    guest="""
import host

import sys

sys.setrecursionlimit(10**6)


def descend(depth):
    room = bytearray(b"x") * 100_000
    if depth:
        descend(depth - 1)
    else:
        host.weigh()
    return room


descend(680)
""",
)
