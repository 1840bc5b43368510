"""Take memory by a file in memory"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-400", "CWE-789"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 32 << 20},
    taken_bytes=96 << 20,
    guest="""
import host

import io

room = io.BytesIO()
for _ in range(100):
    room.write(b"x" * (1 << 20))
host.weigh()
""",
)
