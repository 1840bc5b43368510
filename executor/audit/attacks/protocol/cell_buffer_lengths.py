"""From a cell that the guest owns: send buffers that are longer than their message"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import done, frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-130",),
    lies=(frame(Done, done(), lengths=[2**31]),),
)
