"""Overflow the stack of the machine"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-674", "CWE-121"),
    guest="""
import sys

sys.setrecursionlimit(10**8)
nested = []
for _ in range(100_000):
    nested = [nested]


def overflow():
    repr(nested)


import threading

threading.stack_size(1 << 15)
try:
    thread = threading.Thread(target=overflow)
    thread.start()
    thread.join()
except RuntimeError:
    overflow()
""",
)
