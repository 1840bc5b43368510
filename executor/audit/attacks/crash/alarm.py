"""Let a timer of the process end it"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-250",),
    guest="""
import signal
import time

signal.setitimer(signal.ITIMER_REAL, 0.05)
time.sleep(0.3)
""",
)
