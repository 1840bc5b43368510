"""From a cell that the guest owns: send an order that only the host may give"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import frame
from protocol.messages import Drain

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-862", "CWE-841"),
    lies=(frame(Drain, '{"within_ms":0}'),),
)
