"""Reach the function that runs commands through the subclasses of object"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-913", "CVE-2023-37271"),
    guest="""
for cls in ().__class__.__base__.__subclasses__():
    if cls.__name__ == "_wrap_close":
        cls.__init__.__globals__["system"](f"touch {target['dir']}/made")
""",
)
