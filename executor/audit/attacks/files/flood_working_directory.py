"""Write more into the working directory than allowed"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-400", "CWE-770"),
    walls=(Limit.FILES,),
    limits={"files_bytes": 1 << 20},
    options={"keep_files": True},
    guest="""
import os

here = os.getcwd()
for at in range(8):
    with open(f"{here}/flood-{at}", "wb") as file:
        file.write(b"x" * (512 << 10))
""",
)
