"""Print characters that take four bytes each, where characters are counted"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-131", "CWE-400"),
    walls=(Limit.STREAMS,),
    limits={"stdout_bytes": 10_000, "stderr_bytes": 10_000},
    guest="""
print("\\U0001f980" * 9_000)
""",
)
