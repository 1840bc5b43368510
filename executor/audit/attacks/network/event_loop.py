"""Connect through an event loop"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.HEARD,
    references=("CWE-918",),
    guest="""
import asyncio


async def main():
    await asyncio.open_connection("127.0.0.1", target["tcp"])


asyncio.run(main())
""",
)
