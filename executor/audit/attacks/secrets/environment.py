"""Read the host's environment"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-526",),
    guest="""
import os

print(dict(os.environ))
""",
)
