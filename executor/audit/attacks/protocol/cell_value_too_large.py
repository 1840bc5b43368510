"""From a cell that the guest owns: give a result over the limit"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import done, frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-770",),
    lies=(frame(Done, done(value=0), b'"' + b"x" * 40_000 + b'"'),),
    limits={"value_bytes": 10_000},
)
