"""Return a result of parts that are larger together than a result may be"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-770",),
    walls=(Limit.VALUE,),
    limits={"value_bytes": 10_000},
    result="result",
    guest="""
result = [bytes(100) for _ in range(20_000)]
""",
)
