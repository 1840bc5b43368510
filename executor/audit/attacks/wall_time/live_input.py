"""Wait for input that never comes"""

import time

from executor.audit.attack import Attack, Harm, Limit


class Silent:
    """Live input that has nothing to say for as long as an audit looks."""

    def read(self, size: int, /) -> bytes:
        """Return nothing, late."""
        time.sleep(3.0)
        return b""


ATTACK = Attack(
    harm=Harm.OUTLIVED,
    references=("CWE-833", "CWE-400"),
    walls=(Limit.DEADLINE,),
    limits={"wall_s": 0.3},
    options={"stdin": Silent()},
    guest="""
input()
""",
)
