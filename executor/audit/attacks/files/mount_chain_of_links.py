"""Go out of a mounted directory through a chain of links"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-61",),
    mount="rw",
    guest="""
import os

for at in range(10):
    os.symlink(f"{at + 1}", f"{target['mount']}/{at}")
os.symlink("../canary", target["mount"] + "/10")
with open(target["mount"] + "/0/secret") as file:
    print(file.read())
""",
)
