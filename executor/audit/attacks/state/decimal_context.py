"""Change how the next run computes with decimals"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-488", "CWE-226"),
    walls=(Limit.FRESH,),
    kinds=("wasm", "process"),  # interpreters run each time on a thread with a context of its own
    guest="""
import decimal

decimal.getcontext().prec = 3
""",
    then="""
import decimal

if decimal.getcontext().prec == 3:
    print(target["claim"])
""",
)
