"""Take away all builtins"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-693",),
    guest="""
import builtins

for name in list(vars(builtins)):
    if name not in ("__import__x",):
        delattr(builtins, name)
""",
)
