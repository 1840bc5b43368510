"""Answer one's cell with a header that is nested a hundred thousand deep"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-674", "CVE-2003-1564"),
    careless=True,
    guest="""
import sys


def part(end):
    return next(m for name, m in list(sys.modules.items()) if name.endswith(end))


part(".wire").pack_reply = lambda reply: "[" * 100_000 + "\\n"
""",
)
