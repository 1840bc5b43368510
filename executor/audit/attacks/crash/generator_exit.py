"""Raise the exception that closes generators"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-705",),
    guest="""
raise GeneratorExit
""",
)
