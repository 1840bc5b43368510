"""From a cell that the guest owns: send a message that does not exist"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import frame

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-20", "CWE-1286"),
    lies=(frame(200),),
)
