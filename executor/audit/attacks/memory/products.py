"""Take memory by a product of short iterables"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-400", "CWE-789"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 32 << 20},
    taken_bytes=96 << 20,
    guest="""
import host

import itertools

rows = list(itertools.product(range(12), repeat=6))[:1_000_000]
host.weigh()
""",
)
