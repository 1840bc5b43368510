"""Say to one's cell a log entry of the wrong types"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-843", "CWE-20"),
    careless=True,
    guest="""
import sys


def part(end):
    return next(m for name, m in list(sys.modules.items()) if name.endswith(end))


for kind in range(8):
    part(".ports").emit(kind, '[null, {}, ["x"], 3]')
""",
)
