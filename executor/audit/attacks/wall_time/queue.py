"""Wait for a queue that nobody fills"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-833",),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import queue
import time

try:
    queue.SimpleQueue().get(timeout=60)
except Exception:
    pass
time.sleep(60)
""",
)
