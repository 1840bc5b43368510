"""From a cell that the guest owns: send more output than the limit"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import frame
from protocol.messages import Output

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-770",),
    lies=(frame(Output, '{"stream":"stdout"}', b"x" * 1_000),),
    times=300,
    limits={"stdout_bytes": 10_000},
)
