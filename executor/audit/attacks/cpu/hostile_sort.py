"""Sort by a comparison that never comes to an end"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-407", "CWE-835"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
class Item:
    def __lt__(self, other):
        while True:
            pass


sorted([Item(), Item()])
""",
)
