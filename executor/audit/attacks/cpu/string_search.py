"""Search and replace in quadratic time"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-407",),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
text = "a" * 4_000_000
while True:
    text.replace("a" * 50_000 + "b", "")
""",
)
