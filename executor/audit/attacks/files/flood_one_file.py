"""Write one file that is larger than all files may be"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-400", "CWE-770"),
    walls=(Limit.FILES,),
    limits={"files_bytes": 1 << 20},
    options={"keep_files": True},
    guest="""
import os

with open(os.getcwd() + "/flood", "wb") as file:
    for _ in range(64):
        file.write(b"x" * (64 << 10))
""",
)
