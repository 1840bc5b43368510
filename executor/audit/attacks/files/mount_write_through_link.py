"""Write through a planted link to a file of the host"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-61",),
    mount="rw",
    guest="""
import os

os.symlink("../canary/secret", target["mount"] + "/planted")
with open(target["mount"] + "/planted", "w") as file:
    file.write("overwritten")
""",
)
