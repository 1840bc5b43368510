"""Climb from a mounted directory to the root and down again"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-23", "CWE-36"),
    mount="ro",
    guest="""
with open(target["mount"] + "/.." * 40 + target["file"]) as file:
    print(file.read())
""",
)
