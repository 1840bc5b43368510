"""Fill the host's memory by log entries"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.GREW,
    references=("CWE-770", "CWE-779"),
    taken_bytes=60 << 20,
    guest="""
import logging

text = "x" * 60_000
for at in range(1_100):
    logging.warning(text)
""",
)
