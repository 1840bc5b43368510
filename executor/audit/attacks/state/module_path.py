"""Leave a directory on the path that the next run imports from"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-427",),
    walls=(Limit.FRESH,),
    guest="""
import sys

sys.path.insert(0, "/planted")
""",
    then="""
import sys

if "/planted" in sys.path:
    print(target["claim"])
""",
)
