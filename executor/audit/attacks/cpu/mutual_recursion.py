"""Recurse and catch the error, so that it never ends"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-674", "CWE-835"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
def one():
    try:
        other()
    except RecursionError:
        one()


def other():
    try:
        one()
    except RecursionError:
        other()


one()
""",
)
