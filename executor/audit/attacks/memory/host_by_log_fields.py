"""Fill the host's memory by the fields of log entries"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.GREW,
    references=("CWE-770", "CWE-779"),
    taken_bytes=60 << 20,
    guest="""
import logging

logging.basicConfig(format="%(message)s" + "".join(f"%(f{n})s" for n in range(40)))
fields = {f"f{n}": "x" * 4_000 for n in range(40)}
for at in range(420):
    logging.warning("", extra=fields)
""",
)
