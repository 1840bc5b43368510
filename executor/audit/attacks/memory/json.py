"""Take memory by a small text that parses to much"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-400", "CWE-770"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 40 << 20, "wall_s": 15.0},
    taken_bytes=48 << 20,
    not_promised={"interpreter": "the memory of a cell is capped for all of its runs together"},
    guest="""
import host

import json

rooms = [json.loads("[" + "[]," * 200_000 + "[]]") for _ in range(10)]
host.weigh()
""",
)
