"""Compress at the highest effort, again and again"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-834", "CWE-400"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import zlib

data = bytes(range(256)) * 4_000
while True:
    zlib.compress(data, 9)
""",
)
