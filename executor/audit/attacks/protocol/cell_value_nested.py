"""From a cell that the guest owns: give a result that is nested twenty thousand deep"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import done, frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-674",),
    lies=(frame(Done, done(value=0), b"[" * 20_000 + b"]" * 20_000),),
)
