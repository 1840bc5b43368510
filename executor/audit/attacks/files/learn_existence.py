"""Tell from an error whether a file of the host exists"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-203", "CWE-204"),
    guest="""
import os


def error_of(path):
    try:
        open(path + "/x").close()
    except OSError as error:
        return error.errno


if error_of(target["file"]) != error_of(target["file"] + "-no-such"):
    print(target["claim"])
""",
)
