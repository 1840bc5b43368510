"""Let deadlines pass while the host holds its own interpreter"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.LATE,
    references=("CWE-667", "CWE-833"),
    mount="rw",
    walls=(Limit.ISOLATE,),
    guest="""
with open(target["mount"] + "/seen", "w") as file:
    file.write("x")
""",
)
