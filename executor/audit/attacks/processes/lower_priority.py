"""Take processor time from a process of the host"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SENTINEL,
    references=("CWE-250",),
    guest="""
import os

os.setpriority(os.PRIO_PROCESS, target["sentinel"], 19)
""",
)
