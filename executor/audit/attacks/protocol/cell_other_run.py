"""From a cell that the guest owns: end the run of somebody else"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import done, frame
from executor.audit.receiver import NEIGHBOUR
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-639", "CWE-290"),
    lies=(frame(Done, done(), run_id=NEIGHBOUR), frame(Done, done())),
)
