"""From a cell that the guest owns: send log entries until the host is full"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import frame
from protocol.messages import Log

ATTACK = Attack(
    harm=Harm.GREW,
    references=("CWE-770", "CWE-779"),
    lies=(frame(Log, '{"level":20,"logger":"","message":"' + "m" * 40_000 + '"}'),),
    times=2_000,
    taken_bytes=64 << 20,
)
