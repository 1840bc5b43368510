"""Take away the import statement"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-693",),
    guest="""
import builtins

builtins.__import__ = None
""",
)
