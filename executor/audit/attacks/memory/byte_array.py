"""Take memory in one piece"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-400", "CWE-789"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 24 << 20},
    taken_bytes=64 << 20,
    guest="""
import host

room = bytearray(b"x") * (66 << 20)
host.weigh()
""",
)
