"""Take memory by a width in a format"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-789", "CWE-134"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 24 << 20},
    taken_bytes=64 << 20,
    guest="""
import host

text = "%069206016d" % 1
host.weigh()
""",
)
