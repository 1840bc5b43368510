"""Take memory by one integer"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-789", "CVE-2020-10735"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 24 << 20},
    taken_bytes=64 << 20,
    guest="""
import host

number = 1 << (66 * 8 << 20)
host.weigh()
""",
)
