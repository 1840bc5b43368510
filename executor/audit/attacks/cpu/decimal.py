"""Compute with a hundred million decimal places"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-834",),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import decimal

decimal.getcontext().prec = 100_000
number = decimal.Decimal(2)
while True:
    number = number.sqrt().exp()
""",
)
