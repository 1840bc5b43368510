"""Replace standard output by a stream that counts nothing"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-693", "CWE-770"),
    walls=(Limit.STREAMS,),
    limits={"stdout_bytes": 10_000, "stderr_bytes": 10_000},
    guest="""
import io
import sys

try:
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), write_through=True)
    sys.stdout.write("x" * 300_000)
except (OSError, ValueError):
    pass
sys.__stdout__.write("x" * 300_000)
""",
)
