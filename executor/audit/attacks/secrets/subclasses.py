"""Reach the environment through the subclasses of object"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-913", "CVE-2023-37271"),
    guest="""
for cls in ().__class__.__base__.__subclasses__():
    try:
        print(dict(cls.__init__.__globals__["environ"]))
    except (AttributeError, KeyError, TypeError):
        pass
""",
)
