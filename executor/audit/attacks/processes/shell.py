"""Run a command of the host in a shell"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-78",),
    guest="""
import os

os.system(f"touch {target['dir']}/made")
""",
)
