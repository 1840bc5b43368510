"""Return an object that acts when an attribute of it is read"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-502", "CWE-20"),
    careless=True,
    result="result",
    guest="""
class Record:
    def __getattr__(self, name):
        if name == "value":
            open(target["dir"] + "/made", "w").close()
        raise AttributeError(name)


result = Record()
""",
)
