"""Block every signal that could end the wait"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-705", "CWE-833"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import time

try:
    import signal

    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
except (ImportError, AttributeError):
    pass
while True:
    time.sleep(1)
""",
)
