"""Make a file of the host executable for all"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-732",),
    guest="""
import os

os.chmod(target["file"], 0o777)
""",
)
