"""Wait on an event loop and shield it from being cancelled"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-705", "CWE-833"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    guest="""
import asyncio


async def stubborn():
    while True:
        try:
            await asyncio.sleep(60)
        except BaseException:
            pass


asyncio.run(stubborn())
""",
)
