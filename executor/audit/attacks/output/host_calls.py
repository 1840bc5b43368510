"""Call host functions more often than allowed"""

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
    host.echo(1)
""",
)
