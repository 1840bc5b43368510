"""From a cell that the guest owns: send half a message, then nothing"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import done, frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-130", "CWE-833"),
    lies=(frame(Done, done()[:5], payload_bytes=100),),
    limits={"wall_s": 0.3},
)
