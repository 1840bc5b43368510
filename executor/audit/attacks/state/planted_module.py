"""Plant a module that the next run imports"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-427",),
    walls=(Limit.FRESH,),
    guest="""
import sys
import types

fake = types.ModuleType("colorsys")
fake.planted = True
sys.modules["colorsys"] = fake
""",
    then="""
import colorsys

if hasattr(colorsys, "planted"):
    print(target["claim"])
""",
)
