"""Append to a file of the host without reading it"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-73",),
    guest="""
import os

opened = os.open(target["file"], os.O_WRONLY | os.O_APPEND)
os.write(opened, b"appended")
""",
)
