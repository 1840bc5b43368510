"""Take memory by a small text that parses to much"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-400", "CWE-770"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 24 << 20},
    taken_bytes=64 << 20,
    guest="""
import host

import json

rooms = [json.loads("[" + "[]," * 200_000 + "[]]") for _ in range(10)]
host.weigh()
""",
)
