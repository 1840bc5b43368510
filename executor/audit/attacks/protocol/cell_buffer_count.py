"""From a cell that the guest owns: announce more buffers than there can be"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import done, frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-130",),
    lies=(frame(Done, done(), buffer_count=60_000),),
)
