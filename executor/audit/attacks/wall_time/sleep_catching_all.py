"""Sleep past the deadline in pieces, and catch whatever is raised to end it"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-705", "CWE-833"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import time

while True:
    try:
        time.sleep(0.05)
    except BaseException:
        pass
""",
)
