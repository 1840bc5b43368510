"""Return an object whose text is code"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-95", "CWE-94"),
    careless=True,
    result="result",
    guest="""
class Text:
    def __repr__(self):
        return f"open({target['dir'] + '/made'!r}, 'w').close()"


result = [Text()]
""",
)
