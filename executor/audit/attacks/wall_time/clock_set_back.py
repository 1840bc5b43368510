"""Replace the clocks, so that the deadline seems far away"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-367", "CWE-835"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import time

time.monotonic = time.time = time.perf_counter = lambda: 0.0
while True:
    pass
""",
)
