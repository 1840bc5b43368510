"""Put another file in the place of the descriptors that others write to"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.BROKE,
    references=("CWE-675",),
    guest="""
import os

null = os.open("/dev/null", os.O_RDWR)
for descriptor in range(1, 64):
    if descriptor != null:
        os.dup2(null, descriptor)
""",
)
