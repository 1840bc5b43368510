"""Have a host function connect to a port of the host"""

from executor.audit import holes
from executor.audit.attack import Attack, Harm, Hole

ATTACK = Attack(
    harm=Harm.HEARD,
    references=("CWE-918", "CWE-441"),
    hole=Hole(functions=holes.only(holes.fetch)),
    guest="""
import host

def offered():
    for name in dir(host):
        if name not in ("progress", "HostError", "ValueRefused") and not name.startswith("_"):
            yield name, getattr(host, name)


for name, function in offered():
    for form in (
        f"http://127.0.0.1:{target['tcp']}/",
        f"http://localhost:{target['tcp']}/",
        f"http://user@127.0.0.1:{target['tcp']}/#x",
        f"http://2130706433:{target['tcp']}/",
        f"127.0.0.1:{target['tcp']}",
    ):
        for arguments in ((form,), ({"url": form},), ("GET", form)):
            try:
                function(*arguments)
            except Exception:
                pass
    try:
        function("127.0.0.1", target["tcp"])
    except Exception:
        pass
""",
)
