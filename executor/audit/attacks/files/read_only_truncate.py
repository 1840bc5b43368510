"""Open a file of a read-only mount for reading and emptying"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-732", "CWE-285"),
    mount="ro",
    walls=(Limit.READ_ONLY,),
    guest="""
import os

os.open(target["mount"] + "/file", os.O_RDWR | os.O_TRUNC)
""",
)
