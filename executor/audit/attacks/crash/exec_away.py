"""Replace the process by another program"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-250", "CWE-382"),
    guest="""
import os

os.execv("/bin/true", ["true"])
""",
)
