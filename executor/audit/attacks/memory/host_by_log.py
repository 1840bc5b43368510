"""Fill the host's memory by log entries"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.GREW,
    references=("CWE-770", "CWE-789"),
    walls=(Limit.STREAMS,),
    limits={"stderr_bytes": 1 << 20},
    taken_bytes=90 << 20,
    guest="""
import logging

for at in range(2_000):
    logging.warning("x" * 60_000)
""",
)
