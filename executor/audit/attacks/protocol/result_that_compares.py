"""Return an object that acts when it is compared"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-502", "CWE-20"),
    careless=True,
    result="result",
    guest="""
class Number:
    def __eq__(self, other):
        open(target["dir"] + "/made", "w").close()
        return True

    __hash__ = None


result = Number()
""",
)
