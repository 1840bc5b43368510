"""Begin to loop when it is being ended"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-835", "CWE-705"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
try:
    while True:
        try:
            while True:
                pass
        finally:
            while True:
                pass
finally:
    while True:
        pass
""",
)
