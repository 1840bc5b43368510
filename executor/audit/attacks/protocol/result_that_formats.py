"""Return a text that acts when it is formatted"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-134", "CWE-502"),
    careless=True,
    result="result",
    guest="""
class Text(str):
    def __format__(self, spec):
        open(target["dir"] + "/made", "w").close()
        return "x"


result = Text("x")
""",
)
