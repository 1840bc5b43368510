"""Wait for a lock that nobody gives back"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-833", "CWE-667"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import threading
import time

lock = threading.Lock()
lock.acquire()
try:
    lock.acquire(timeout=60)
except (RuntimeError, NotImplementedError):
    pass
time.sleep(60)
""",
)
