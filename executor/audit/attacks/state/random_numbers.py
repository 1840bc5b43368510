"""Fix the random numbers of the next run, so that its tokens can be guessed"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-337", "CWE-488"),
    walls=(Limit.FRESH,),
    guest="""
import random

random.seed(4711)
""",
    then="""
import random

found = random.random()
random.seed(4711)
if found == random.random():
    print(target["claim"])
""",
)
