"""Replace a builtin function for whoever runs next"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-488", "CWE-226"),
    walls=(Limit.FRESH,),
    guest="""
import builtins

builtins.oct = lambda of: 4711
""",
    then="""
if oct(8) == 4711:
    print(target["claim"])
""",
)
