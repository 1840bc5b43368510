"""Warn without end"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-779",),
    walls=(Limit.STREAMS,),
    limits={"stdout_bytes": 10_000, "stderr_bytes": 10_000},
    guest="""
import warnings

warnings.simplefilter("always")
for at in range(1_000):
    warnings.warn("x" * 100 + str(at))
""",
)
