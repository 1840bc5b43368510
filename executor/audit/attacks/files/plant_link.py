"""Plant a symbolic link in a directory of the host"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-59", "CWE-61"),
    guest="""
import os

os.symlink("/etc/passwd", target["dir"] + "/planted")
""",
)
