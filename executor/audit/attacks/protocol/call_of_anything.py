"""Call a function of the host that is not offered"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-749", "CWE-470"),
    careless=True,
    guest="""
import sys


def part(end):
    return next(m for name, m in list(sys.modules.items()) if name.endswith(end))


import json

arguments = json.dumps([[f"touch {target['dir']}/made"], {}])
payload = json.dumps({"pieces": [len(arguments)]}) + "\\n" + arguments
for name in ("system", "os.system", "__import__", "eval", "__class__"):
    part(".ports").call(name, payload)
""",
)
