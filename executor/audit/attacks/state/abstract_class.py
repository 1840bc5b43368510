"""Make the next run take any object for a number"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-488", "CWE-226"),
    walls=(Limit.FRESH,),
    guest="""
import numbers

numbers.Number.register(str)
""",
    then="""
import numbers

if isinstance("text", numbers.Number):
    print(target["claim"])
""",
)
