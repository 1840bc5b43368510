"""Follow a link of the host's that leads out of a mounted directory"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-59",),
    mount="ro",
    guest="""
with open(target["mount"] + "/link-out") as file:
    print(file.read())
""",
)
