"""Be asked to exit, and go on"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-705",),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import sys
import time

while True:
    try:
        sys.exit()
    except SystemExit:
        time.sleep(0.01)
""",
)
