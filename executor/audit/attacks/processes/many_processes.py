"""Make many processes at once"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-400", "CWE-770"),
    guest="""
import os
import time

made = []
for _ in range(24):
    pid = os.fork()
    if pid == 0:
        time.sleep(0.3)
        os._exit(0)
    made.append(pid)
print(target["claim"])
""",
)
