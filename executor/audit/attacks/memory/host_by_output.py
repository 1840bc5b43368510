"""Fill the host's memory by output"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.GREW,
    references=("CWE-770", "CWE-789"),
    walls=(Limit.STREAMS,),
    limits={"stdout_bytes": 1 << 20},
    taken_bytes=40 << 20,
    guest="""
import sys

for _ in range(44):
    sys.stdout.write("x" * (1 << 20))
""",
)
