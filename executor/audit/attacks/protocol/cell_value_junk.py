"""From a cell that the guest owns: give a table of references that is none for a result"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import done, frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-502", "CWE-129"),
    lies=(frame(Done, done(value=0), b"#[[9],[],[[7]]]"),),
)
