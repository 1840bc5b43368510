"""Run more instructions than were bought"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-400",),
    kinds=("wasm",),
    walls=(Limit.FUEL,),
    limits={"fuel": 20_000_000},
    guest="""
total = 0
for at in range(300_000):
    total += at
print(target["claim"])
""",
)
