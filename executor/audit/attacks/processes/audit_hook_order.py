"""Run a command of the host after replacing the functions that would report it"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-693",),
    guest="""
import os
import sys

sys.audit = lambda *event: None
os.fspath = lambda path: path
os.system(f"touch {target['dir']}/made")
""",
)
