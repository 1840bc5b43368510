"""Call a slow host function again whenever it is ended"""

import time

from executor.audit.attack import Attack, Harm, Limit


def slow() -> None:
    """Answer late."""
    time.sleep(3.0)


ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-833", "CWE-705"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    options={"functions": {"slow": slow}},
    guest="""
import host

while True:
    try:
        host.slow()
    except BaseException:
        pass
""",
)
