"""From a cell that the guest owns: name a buffer that is not there"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import done, frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-129",),
    lies=(frame(Done, done(value=3)),),
)
