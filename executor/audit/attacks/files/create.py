"""Create a file in a directory of the host"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-73",),
    guest="""
with open(target["dir"] + "/created", "x") as file:
    file.write("created")
""",
)
