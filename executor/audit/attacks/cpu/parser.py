"""Compile a source that takes the compiler long"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-834", "CWE-1333"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
source = "x = [" + "(1, 2), " * 5_000 + "]"
while True:
    compile(source, "x", "exec")
""",
)
