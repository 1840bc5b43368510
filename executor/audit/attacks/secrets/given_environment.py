"""Find secrets of the host's among the variables that it gave"""

from executor.audit.attack import Attack, Harm, Hole

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-526",),
    hole=Hole(env=True),
    guest="""
import os

print(dict(os.environ))
""",
)
