"""Write a long integer in decimal"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-834", "CVE-2020-10735"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import sys

sys.set_int_max_str_digits(0)
while True:
    str(1 << 40_000_000)
""",
)
