"""Read a file of the host by its absolute path"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-22", "CWE-552"),
    guest="""
with open(target["file"]) as file:
    print(file.read())
""",
)
