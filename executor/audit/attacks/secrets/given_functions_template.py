"""Have a host function fill in a template that climbs to the environment"""

from executor.audit import holes
from executor.audit.attack import Attack, Harm, Hole

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-134", "CWE-1336"),
    hole=Hole(functions=holes.only(holes.template)),
    guest="""
import host

def offered():
    for name in dir(host):
        if name not in ("progress", "HostError", "ValueRefused") and not name.startswith("_"):
            yield name, getattr(host, name)


variable = target["variable"]
for name, function in offered():
    for form in (
        "{0.os.environ}",
        "{0.__init__.__globals__[os].environ}",
        "{0.__class__.__init__.__globals__}",
        "%(environ)s",
        f"${variable}",
        f"${{{variable}}}",
        "{{ self.__init__.__globals__ }}",
        f"__import__('os').environ['{variable}']",
        variable,
    ):
        for arguments in ((form,), (form, {}), ({"q": form},)):
            try:
                print(name, function(*arguments))
            except Exception:
                pass
""",
)
