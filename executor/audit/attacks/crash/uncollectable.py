"""Break the interpreter while it shuts down"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-705",),
    guest="""
import atexit
import os
import sys


@atexit.register
def last():
    os._exit(3)


raise SystemExit
""",
)
