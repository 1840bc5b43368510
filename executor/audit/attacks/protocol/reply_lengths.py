"""Answer one's cell with lengths that are longer than the answer"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-130", "CWE-789"),
    careless=True,
    guest="""
import sys


def part(end):
    return next(m for name, m in list(sys.modules.items()) if name.endswith(end))


import json

header = {"verdict": "ok", "pieces": [10**13, 10**13]}
part(".wire").pack_reply = lambda reply: json.dumps(header) + "\\n"
""",
)
