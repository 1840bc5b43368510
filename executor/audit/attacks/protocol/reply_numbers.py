"""Answer one's cell with numbers that are none"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-1287", "CWE-20"),
    careless=True,
    guest="""
import sys


def part(end):
    return next(m for name, m in list(sys.modules.items()) if name.endswith(end))


part(".wire").pack_reply = lambda reply: '{"verdict":"ok","cpu_us":1e999,"pieces":[0,0]}\\n'
""",
)
