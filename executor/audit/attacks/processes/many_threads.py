"""Start many threads at once"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-400", "CWE-770"),
    guest="""
import threading
import time

threading.stack_size(1 << 16)
for _ in range(60):
    threading.Thread(target=time.sleep, args=(0.2,), daemon=True).start()
print(target["claim"])
""",
)
