"""Fill the host's memory by files that are given back"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.GREW,
    references=("CWE-770", "CWE-789"),
    walls=(Limit.FILES,),
    limits={"files_bytes": 1 << 20},
    taken_bytes=40 << 20,
    options={"keep_files": True},
    guest="""
import os

here = os.getcwd()
for at in range(44):
    with open(f"{here}/file-{at}", "wb") as file:
        file.write(b"x" * (1 << 20))
""",
)
