"""Leave a class that the next run finds among the subclasses of object"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-488", "CWE-226"),
    walls=(Limit.FRESH,),
    guest="""
class LeftByAnotherRun:
    pass


import builtins

builtins.kept = LeftByAnotherRun
""",
    then="""
if any(cls.__name__ == "LeftByAnotherRun" for cls in object.__subclasses__()):
    print(target["claim"])
""",
)
