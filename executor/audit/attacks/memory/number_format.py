"""Take memory by a width in a format"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-789", "CWE-134"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 32 << 20},
    taken_bytes=96 << 20,
    guest="""
import host

text = "%0104857600d" % 1
host.weigh()
""",
)
