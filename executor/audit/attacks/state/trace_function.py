"""Leave a trace function that watches the next run"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-488", "CWE-226"),
    walls=(Limit.FRESH,),
    guest="""
import sys
import threading

threading.settrace(lambda *event: None)
sys.modules["builtins"].trace_left = True
""",
    then="""
import threading

if threading.gettrace() is not None:
    print(target["claim"])
""",
)
