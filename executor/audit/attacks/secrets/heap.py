"""Search every object on the heap for the host's secrets"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-316",),
    guest="""
import gc

for found in gc.get_objects():
    if type(found) is dict:
        for key, value in list(found.items()):
            if target["variable"] in str(key) or target["variable"].encode() == key:
                print(value)
import os

print(os.getenv(target["variable"]))
""",
)
