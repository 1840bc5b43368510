"""Print one piece that is larger than all may be"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-400", "CWE-770"),
    walls=(Limit.STREAMS,),
    limits={"stdout_bytes": 10_000, "stderr_bytes": 10_000},
    guest="""
print("x" * 500_000)
""",
)
