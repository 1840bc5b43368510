"""Leave a global for the next run"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-488", "CWE-226"),
    walls=(Limit.FRESH,),
    guest="""
left = "by another run"
""",
    then="""
if "left" in globals():
    print(target["claim"])
""",
)
