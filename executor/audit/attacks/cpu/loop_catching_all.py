"""Loop for ever and catch whatever is raised to end it"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-835", "CWE-705"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
while True:
    try:
        while True:
            pass
    except BaseException:
        continue
""",
)
