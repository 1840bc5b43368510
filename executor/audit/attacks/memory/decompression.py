"""Take memory by a small text that unpacks to a large one"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-409", "CVE-2019-9674"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 40 << 20, "wall_s": 15.0},
    taken_bytes=48 << 20,
    not_promised={"interpreter": "the memory of a cell is capped for all of its runs together"},
    guest="""
import host

import zlib

packed = zlib.compress(bytes(8 << 20), 1)
rooms = [zlib.decompress(packed) for _ in range(8)]
host.weigh()
""",
)
