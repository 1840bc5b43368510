"""Lower what a process of the host may open"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SENTINEL,
    references=("CWE-250",),
    guest="""
import resource

resource.prlimit(target["sentinel"], resource.RLIMIT_NOFILE, (5, 5))
""",
)
