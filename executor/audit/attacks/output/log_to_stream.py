"""Log to a stream without end"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-779", "CWE-400"),
    walls=(Limit.STREAMS,),
    limits={"stdout_bytes": 10_000, "stderr_bytes": 10_000},
    guest="""
import logging
import sys

logging.basicConfig(stream=sys.stderr, force=True)
for _ in range(3_000):
    logging.error("x" * 99)
""",
)
