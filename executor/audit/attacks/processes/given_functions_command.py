"""Have a host function run a command inside its argument"""

from executor.audit import holes
from executor.audit.attack import Attack, Harm, Hole

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-78", "CWE-77"),
    hole=Hole(functions=holes.only(holes.shell)),
    guest="""
import host

def offered():
    for name in dir(host):
        if name not in ("progress", "HostError", "ValueRefused") and not name.startswith("_"):
            yield name, getattr(host, name)


made = target["dir"] + "/made"
for name, function in offered():
    for form in (
        f"; touch {made}",
        f"$(touch {made})",
        f"`touch {made}`",
        f"| touch {made}",
        f"x\\ntouch {made}",
        f"' ; touch {made} ; '",
        f'" ; touch {made} ; "',
        f"touch {made}",
    ):
        for arguments in ((form,), ([form],), ({"q": form},), ("x", form)):
            try:
                function(*arguments)
            except Exception:
                pass
""",
)
