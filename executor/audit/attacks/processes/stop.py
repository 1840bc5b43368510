"""Stop a process of the host, so that it misses its deadlines"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SENTINEL,
    references=("CWE-250",),
    guest="""
import os

os.kill(target["sentinel"], 19)
""",
)
