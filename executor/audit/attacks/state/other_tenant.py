"""Leave a global for the next run, which is another tenant's"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-488", "CWE-226"),
    walls=(Limit.FRESH,),
    tenant="other",
    guest="""
left = "by another tenant"
""",
    then="""
if "left" in globals():
    print(target["claim"])
""",
)
