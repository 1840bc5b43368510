"""Return an object whose class claims to be a plain one"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-502", "CWE-843"),
    careless=True,
    result="result",
    guest="""
import os


class Number(float):
    def __reduce_ex__(self, version):
        return os.system, (f"touch {target['dir']}/made",)


Number.__name__ = Number.__qualname__ = "float"
Number.__module__ = "builtins"
result = {"total": [Number(1)]}
""",
)
