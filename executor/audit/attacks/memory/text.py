"""Take memory by doubling a text"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-400", "CWE-789"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 40 << 20, "wall_s": 15.0},
    taken_bytes=48 << 20,
    not_promised={"interpreter": "the memory of a cell is capped for all of its runs together"},
    guest="""
import host

text = "x" * 1024
while len(text) < 60 << 20:
    text += text
host.weigh()
""",
)
