"""Climb out of a mounted directory"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-23",),
    mount="ro",
    guest="""
with open(target["mount"] + "/../canary/secret") as file:
    print(file.read())
""",
)
