"""Go on after each refusal, until the cap has a gap"""

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

rooms = []
size = 64 << 20
while size > 4096 and sum(map(len, rooms)) < 66 << 20:
    try:
        rooms.append(bytearray(b"x") * size)
    except MemoryError:
        size //= 2
host.weigh()
""",
)
