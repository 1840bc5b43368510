"""Walk through everything that can be seen and read what is small"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-538",),
    guest="""
import os

seen = 0
for place, _, names in os.walk(target["start"]):
    for name in names:
        seen += 1
        path = os.path.join(place, name)
        try:
            if seen < 500 and os.path.isfile(path) and os.path.getsize(path) < 4096:
                with open(path, "rb") as file:
                    print(path, file.read()[:200])
        except OSError:
            pass
    if seen > 500:
        break
""",
)
