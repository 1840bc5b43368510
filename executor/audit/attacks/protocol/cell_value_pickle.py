"""From a cell that the guest owns: give a pickle for a result"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import done, frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-502",),
    lies=(frame(Done, done(value=0), b"\x80\x02cposix\nsystem\nX\n\x00\x00\x00touch made\x85R."),),
)
