"""Answer one's cell with bytes that are in no known form"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-130", "CWE-20"),
    careless=True,
    guest="""
import sys


def part(end):
    return next(m for name, m in list(sys.modules.items()) if name.endswith(end))


import json

header = {"verdict": "ok", "pieces": [-5, 0]}
part(".wire").pack_reply = lambda reply: json.dumps(header) + "\\n!!!!!"
""",
)
