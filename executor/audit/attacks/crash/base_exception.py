"""Raise what no careful handler catches"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-705",),
    guest="""
class Escape(BaseException):
    pass


raise Escape
""",
)
