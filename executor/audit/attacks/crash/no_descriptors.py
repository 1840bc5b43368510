"""Close every descriptor, also those that belong to others"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-404", "CWE-1341"),
    guest="""
import os

os.closerange(0, 1 << 16)
""",
)
