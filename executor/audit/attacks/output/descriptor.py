"""Write to the descriptor below standard output"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-400", "CWE-770"),
    walls=(Limit.STREAMS,),
    limits={"stdout_bytes": 10_000, "stderr_bytes": 10_000},
    guest="""
import os

for _ in range(300):
    try:
        os.write(1, b"x" * 1_000)
    except OSError:
        pass
print("x" * 500_000)
""",
)
