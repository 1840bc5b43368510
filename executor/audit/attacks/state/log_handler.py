"""Leave a log handler that reads what the next run logs"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.CLAIMED,
    references=("CWE-488", "CWE-226"),
    walls=(Limit.FRESH,),
    guest="""
import logging


class Spy(logging.Handler):
    planted = True

    def emit(self, record):
        pass


logging.root.addHandler(Spy())
""",
    then="""
import logging

if any(hasattr(handler, "planted") for handler in logging.root.handlers):
    print(target["claim"])
""",
)
