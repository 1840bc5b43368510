"""Loop in the hook that reports an uncaught exception"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-835", "CWE-755"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import sys


def report(*error):
    while True:
        pass


sys.excepthook = report
raise ValueError
""",
)
