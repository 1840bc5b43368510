"""Write to a file of a read-only mount"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-732", "CWE-285"),
    mount="ro",
    walls=(Limit.READ_ONLY,),
    guest="""
with open(target["mount"] + "/file", "w") as file:
    file.write("overwritten")
""",
)
