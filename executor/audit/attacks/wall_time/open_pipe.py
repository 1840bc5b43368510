"""Read from a descriptor that never has anything"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-833", "CWE-400"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import os
import time

try:
    reader, writer = os.pipe()
    os.read(reader, 1)
except (OSError, AttributeError):
    pass
time.sleep(60)
""",
)
