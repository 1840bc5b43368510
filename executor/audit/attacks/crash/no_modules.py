"""Take away all modules"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-693",),
    guest="""
import sys

sys.modules.clear()
sys.path.clear()
sys.meta_path.clear()
sys.path_hooks.clear()
""",
)
