"""Lower the recursion limit, so that the next run fails"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-488", "CWE-226"),
    walls=(Limit.FRESH,),
    guest="""
import sys

sys.setrecursionlimit(80)
""",
    then="""
import sys

if sys.getrecursionlimit() == 80:
    print(target["claim"])
""",
)
