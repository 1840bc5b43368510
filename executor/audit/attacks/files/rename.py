"""Rename a file of the host"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-73",),
    guest="""
import os

os.rename(target["file"], target["file"] + ".renamed")
""",
)
