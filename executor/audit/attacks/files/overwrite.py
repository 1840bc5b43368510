"""Overwrite a file of the host"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-73",),
    guest="""
with open(target["file"], "r+") as file:
    file.write("overwritten")
""",
)
