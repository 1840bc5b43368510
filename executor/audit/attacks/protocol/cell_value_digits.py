"""From a cell that the guest owns: give a number of fifty thousand digits for a result"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import done, frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-834", "CVE-2020-10735"),
    lies=(frame(Done, done(value=0), b"1" * 50_000),),
)
