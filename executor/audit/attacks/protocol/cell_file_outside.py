"""From a cell that the guest owns: give back a file whose name leads out of its folder"""

from executor.audit.attack import Attack, Harm
from executor.audit.lies import done, frame
from protocol.messages import Done

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-22", "CVE-2007-4559"),
    lies=(frame(Done, done(files=[{"name": "../canary/planted", "buffer": 0}]), b"x"),),
)
