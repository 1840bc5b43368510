"""Patch a module of the standard library for whoever runs next"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-488", "CWE-226"),
    walls=(Limit.FRESH,),
    guest="""
import json

json.loads = lambda text: "patched"
""",
    then="""
import json

if json.loads("1") == "patched":
    print(target["claim"])
""",
)
