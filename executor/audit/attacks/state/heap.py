"""Search the heap for objects of the run before"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-244", "CWE-488"),
    walls=(Limit.FRESH,),
    guest="""
import sys


class Wallet:
    def __init__(self):
        self.number = "4711-0815"


sys.modules["json"].wallet = Wallet() if "json" in sys.modules else None
wallet = Wallet()
""",
    then="""
import gc

for found in gc.get_objects():
    if type(found).__name__ == "Wallet":
        print(target["claim"])
        break
""",
)
