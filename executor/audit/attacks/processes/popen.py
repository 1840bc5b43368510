"""Read what a command of the host prints"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-78",),
    guest="""
import os

os.popen(f"touch {target['dir']}/made; echo done").read()
""",
)
