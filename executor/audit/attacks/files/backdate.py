"""Backdate a file of the host, to hide a change from those who compare"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-73",),
    guest="""
import os

os.utime(target["file"], (1, 1))
""",
)
