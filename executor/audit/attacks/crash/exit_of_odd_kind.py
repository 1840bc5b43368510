"""Exit with a code whose text exits again"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-705", "CWE-674"),
    guest="""
class Code:
    def __str__(self):
        raise SystemExit(self)

    __repr__ = __str__


raise SystemExit(Code())
""",
)
