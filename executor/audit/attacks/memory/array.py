"""Take memory by an array of machine numbers"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-400", "CWE-789"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 24 << 20},
    taken_bytes=64 << 20,
    guest="""
import host

import array

numbers = array.array("q", [7]) * (9 << 20)
host.weigh()
""",
)
