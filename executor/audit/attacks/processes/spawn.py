"""Run a program of the host by posix_spawn"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-78",),
    guest="""
import os

pid = os.posix_spawn("/bin/sh", ["sh", "-c", f"touch {target['dir']}/made"], {})
os.waitpid(pid, 0)
""",
)
