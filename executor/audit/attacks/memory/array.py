"""Take memory by an array of machine numbers"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-400", "CWE-789"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 32 << 20},
    taken_bytes=96 << 20,
    guest="""
import host

import array

numbers = array.array("q", [7]) * (13 << 20)
host.weigh()
""",
)
