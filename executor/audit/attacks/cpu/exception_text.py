"""Loop while the text of an exception is made"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-835", "CWE-755"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
class Slow(Exception):
    def __str__(self):
        while True:
            pass


raise Slow
""",
)
