"""Leave a finder that answers the imports of the next run"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-427",),
    walls=(Limit.FRESH,),
    guest="""
import sys


class Finder:
    planted = True

    @staticmethod
    def find_spec(name, path=None, target=None):
        return None


sys.meta_path.insert(0, Finder)
""",
    then="""
import sys

if any(hasattr(finder, "planted") for finder in sys.meta_path):
    print(target["claim"])
""",
)
