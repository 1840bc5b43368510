"""Make a second process that acts on its own"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-250",),
    guest="""
import os

if os.fork() == 0:
    open(target["dir"] + "/made", "w").close()
    os._exit(0)
os.wait()
""",
)
