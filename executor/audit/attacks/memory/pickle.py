"""Take memory by a small pickle that repeats itself"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.HELD,
    references=("CWE-502", "CWE-789"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 40 << 20, "wall_s": 15.0},
    taken_bytes=48 << 20,
    not_promised={"interpreter": "the memory of a cell is capped for all of its runs together"},
    guest="""
import host

import pickle

rooms = []
for _ in range(66):
    rooms.append(pickle.loads(pickle.dumps(bytearray(b"x" * (1 << 20)))))
host.weigh()
""",
)
