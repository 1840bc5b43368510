"""Sit in a host function that is slow to answer"""

import time

from executor.audit.attack import Attack, Harm, Limit


def slow() -> None:
    """Answer late."""
    time.sleep(3.0)


ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-833", "CWE-1088"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    options={"functions": {"slow": slow}},
    guest="""
import host

host.slow()
""",
)
