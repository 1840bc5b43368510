"""Return an exception that acts when it is shown"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-502", "CWE-20"),
    careless=True,
    result="result",
    guest="""
class Error(Exception):
    def __str__(self):
        open(target["dir"] + "/made", "w").close()
        return "x"


result = Error()
""",
)
