"""Go on calling host functions when they are refused"""

from executor.audit import holes
from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-799", "CWE-770"),
    walls=(Limit.CALLS,),
    limits={"host_calls": 100},
    options={"functions": holes.only(holes.echo)},
    guest="""
import host

for _ in range(300):
    try:
        host.echo(1)
    except BaseException:
        pass
""",
)
