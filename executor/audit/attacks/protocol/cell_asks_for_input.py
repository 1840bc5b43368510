"""From a cell that the guest owns: ask for input that nobody offered"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import frame
from protocol.messages import StdinWanted

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-841",),
    lies=(frame(StdinWanted, '{"count":10}'),),
)
