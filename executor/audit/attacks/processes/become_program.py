"""Become a program of the host"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-78",),
    guest="""
import os

os.execv("/bin/sh", ["sh", "-c", f"touch {target['dir']}/made"])
""",
)
