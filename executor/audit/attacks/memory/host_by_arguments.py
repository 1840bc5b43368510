"""Fill the host's memory by the arguments of a host function"""

from executor.audit import holes
from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.GREW,
    references=("CWE-770", "CWE-789"),
    walls=(Limit.MEMORY,),
    limits={"memory_bytes": 32 << 20},
    taken_bytes=40 << 20,
    options={"functions": holes.only(holes.echo)},
    not_promised={"interpreter": "the memory of a cell is capped for all of its runs together"},
    guest="""
import host

host.echo(b"x" * (44 << 20))
""",
)
