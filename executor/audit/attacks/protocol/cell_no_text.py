"""From a cell that the guest owns: end the run with bytes that are no text"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-20", "CWE-176"),
    lies=(frame(Done, b"\xff\xfe"),),
)
