"""Host functions: the only way out of a sandbox, as narrow as you make it.

The guest imports them from a module named `host` and calls them like any function. They run here,
in this process. Arguments and results are checked against the annotations: what a guest passes is
never trusted to be what you expect.

python examples/host_functions.py
"""

import asyncio
from dataclasses import dataclass

from executor import Limits, Supervisor

STOCK = {"apple": 12, "pear": 0, "plum": 7}


@dataclass
class Offer:
    """What a shop asks for a fruit."""

    shop: str
    cents: int


def in_stock(fruit: str) -> int:
    """Return how many there are."""
    return STOCK[fruit]


async def offers(fruit: str, shops: list[str]) -> list[Offer]:
    """Ask all shops at once, as an async client would."""

    async def ask(shop: str) -> Offer:
        await asyncio.sleep(0)  # a request over the network
        return Offer(shop, 10 * len(shop) + len(fruit))

    return await asyncio.gather(*(ask(shop) for shop in shops))


ORDER = """\
import host

for fruit in ("apple", "pear"):
    if host.in_stock(fruit):
        best = min(host.offers(fruit, ["corner", "market", "co-op"]), key=lambda offer: offer.cents)
        print(fruit, "from", best.shop, "for", best.cents)
    else:
        print(fruit, "is sold out")
"""
WRONG_TYPE = """\
import host

try:
    host.in_stock(["apple"])
except Exception as error:
    print("refused:", type(error).__name__)
"""
FAILS = """\
import host

try:
    host.in_stock("quince")
except KeyError as error:
    print("no such fruit:", error)
"""


def main() -> None:
    """Let guests call a sync and an async function, wrongly too, and more often than allowed."""
    with Supervisor(functions=[in_stock, offers]) as supervisor:
        for code in (ORDER, WRONG_TYPE, FAILS):
            print(supervisor.run(code).stdout, end="")

        greedy = "import host\nwhile True: host.in_stock('plum')"
        outcome = supervisor.run(greedy, limits=Limits(host_calls=100))
        print(outcome.verdict, outcome.usage.host_calls)


if __name__ == "__main__":
    main()
