"""Make a file look larger than all files may be, without writing it"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-400",),
    walls=(Limit.FILES,),
    limits={"files_bytes": 1 << 20},
    options={"keep_files": True},
    guest="""
import os

with open(os.getcwd() + "/sparse", "wb") as file:
    file.truncate(8 << 20)
""",
)
