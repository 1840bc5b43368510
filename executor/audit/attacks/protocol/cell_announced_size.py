"""From a cell that the guest owns: announce a message of four gibibytes"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import done, frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-789", "CWE-130"),
    lies=(frame(Done, done(), payload_bytes=2**32 - 1),),
)
