"""Run a program of the host on a terminal of its own"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-78",),
    guest="""
import os
import pty

pid, terminal = pty.fork()
if pid == 0:
    os.execv("/bin/sh", ["sh", "-c", f"touch {target['dir']}/made"])
os.waitpid(pid, 0)
""",
)
