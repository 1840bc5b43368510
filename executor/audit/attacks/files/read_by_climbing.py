"""Read a file of the host by climbing up from the working directory"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-23",),
    guest="""
with open("../" * 40 + target["file"].lstrip("/")) as file:
    print(file.read())
""",
)
