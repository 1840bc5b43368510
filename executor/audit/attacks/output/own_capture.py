"""Raise the cap in the code that counts output inside the guest"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-693", "CWE-770"),
    walls=(Limit.STREAMS,),
    limits={"stdout_bytes": 10_000, "stderr_bytes": 10_000},
    guest="""
import sys

for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").endswith("guest.streams"):
        for stream in (module.STDOUT, module.STDERR):
            for name in dir(stream):
                if getattr(stream, name, None) == 10_000:
                    try:
                        setattr(stream, name, 1 << 60)
                    except (AttributeError, TypeError):
                        pass
for _ in range(3_000):
    print("x" * 99)
""",
)
