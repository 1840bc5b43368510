"""Answer one's cell with an ending that does not exist"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-20", "CWE-1286"),
    careless=True,
    guest="""
import sys


def part(end):
    return next(m for name, m in list(sys.modules.items()) if name.endswith(end))


import json

header = {"verdict": ["root"], "pieces": [0, 0]}
part(".wire").pack_reply = lambda reply: json.dumps(header) + "\\n"
""",
)
