"""Take memory by a small text that unpacks to a large one"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-409", "CVE-2019-9674"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 24 << 20},
    taken_bytes=64 << 20,
    guest="""
import host

import zlib

packer = zlib.compressobj(9)
packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()
room = zlib.decompress(packed)
room = bytes(bytearray(room))
room = room.replace(b"\\0", b"x")
host.weigh()
""",
)
