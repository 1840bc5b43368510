"""Leave a standard output that reads what the next run prints"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-488", "CWE-226"),
    walls=(Limit.FRESH,),
    guest="""
import sys


class Tee:
    planted = True

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)


sys.stdout = Tee(sys.stdout)
""",
    then="""
import sys

if hasattr(sys.stdout, "planted"):
    print(target["claim"])
""",
)
