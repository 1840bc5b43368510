"""Tell by a signal of no effect whether a process of the host lives"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-203",),
    guest="""
import os

os.kill(target["sentinel"], 0)
print(target["claim"])
""",
)
