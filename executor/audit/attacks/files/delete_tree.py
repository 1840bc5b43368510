"""Delete a directory of the host with all that is in it"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-73",),
    guest="""
import shutil

shutil.rmtree(target["dir"])
""",
)
