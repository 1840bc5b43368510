"""Make a named pipe that a program of the host would wait on"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-73",),
    guest="""
import os

os.mkfifo(target["dir"] + "/pipe")
""",
)
