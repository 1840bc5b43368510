"""See the processes of the host"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-200",),
    guest="""
import os

if str(target["host_pid"]) in os.listdir("/proc"):
    print(target["claim"])
""",
)
