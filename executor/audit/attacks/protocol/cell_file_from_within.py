"""From a cell that the guest owns: give back a file whose name leads out by way of a folder"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import done, frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-23",),
    lies=(frame(Done, done(files=[{"name": "a/../../canary/planted", "buffer": 0}]), b"x"),),
)
