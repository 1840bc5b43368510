"""Starve heartbeats and deadlines by writing files"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.LATE,
    references=("CWE-400", "CWE-667"),
    options={"keep_files": True},
    guest="""
import os

while True:
    with open(os.getcwd() + "/file", "wb") as file:
        file.write(b"x" * 100_000)
""",
)
