"""Read the host's environment as bytes, and by the C module below os"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-526",),
    guest="""
import os
import posix

print(getattr(os, "environb", {}), posix.environ)
""",
)
