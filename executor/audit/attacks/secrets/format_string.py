"""Reach the environment through the attributes that a format string names"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-134", "CVE-2023-41039"),
    guest="""
import os

print("{0.__init__.__globals__[environ]}".format(os._wrap_close))
""",
)
