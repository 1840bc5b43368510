"""From a cell that the guest owns: call a function of the host that is not offered"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import frame
from protocol.messages import HostCall

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-749", "CWE-470"),
    lies=(frame(HostCall, '{"call":1,"function":"system"}', b'[["touch made"], {}]'),),
)
