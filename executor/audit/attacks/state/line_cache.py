"""Plant source lines that the tracebacks of the next run show"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-117", "CWE-488"),
    walls=(Limit.FRESH,),
    guest="""
import linecache

linecache.cache["planted.py"] = (1, None, ["forged"], "planted.py")
""",
    then="""
import linecache

if "planted.py" in linecache.cache:
    print(target["claim"])
""",
)
