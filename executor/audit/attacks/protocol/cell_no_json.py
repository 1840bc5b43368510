"""From a cell that the guest owns: end the run with something that is no message"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-20",),
    lies=(frame(Done, "{"),),
)
