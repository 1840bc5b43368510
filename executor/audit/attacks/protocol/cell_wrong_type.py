"""From a cell that the guest owns: end the run with a verdict that is a number"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-843",),
    lies=(frame(Done, '{"verdict":5}'),),
)
