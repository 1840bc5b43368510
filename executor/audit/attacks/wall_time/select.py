"""Wait for nothing with select"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-833", "CWE-400"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import select
import time

try:
    select.select([], [], [], 60)
except (OSError, ValueError):
    time.sleep(60)
""",
)
