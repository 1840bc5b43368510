"""Write bytes below the text layer"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-400", "CWE-770"),
    walls=(Limit.STREAMS,),
    limits={"stdout_bytes": 10_000, "stderr_bytes": 10_000},
    guest="""
import sys

for _ in range(300):
    sys.stdout.buffer.write(b"\\xff" * 1_000)
sys.stdout.buffer.flush()
""",
)
