"""Switch the garbage collector off for whoever runs next"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-488", "CWE-226"),
    walls=(Limit.FRESH,),
    guest="""
import gc

gc.disable()
""",
    then="""
import gc

if not gc.isenabled():
    print(target["claim"])
""",
)
