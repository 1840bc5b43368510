"""Return an object that acts when it is looked through"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-502", "CWE-20"),
    careless=True,
    result="result",
    guest="""
class Rows(list):
    def __iter__(self):
        open(target["dir"] + "/made", "w").close()
        return iter(())


result = Rows()
""",
)
