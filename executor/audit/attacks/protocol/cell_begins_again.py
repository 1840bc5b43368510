"""From a cell that the guest owns: introduce itself a second time"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import frame
from protocol.messages import CellHello

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-841",),
    lies=(frame(CellHello, '{"version_min":1,"version_max":1,"pid":1}', run_id=0),),
)
