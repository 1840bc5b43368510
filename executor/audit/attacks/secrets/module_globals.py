"""Reach the host's modules through the functions that it offers"""

from executor.audit.attack import Attack, Harm


def echo(value: object) -> object:
    """Give back what was given."""
    return value


ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-913", "CVE-2022-36067"),
    options={"functions": {"echo": echo}},
    guest="""
import host

found = getattr(host.echo, "__globals__", {})
for name in ("os", "sys"):
    module = found.get(name)
    if module is not None:
        print(dict(getattr(module, "modules", {"os": module})["os"].environ))
""",
)
