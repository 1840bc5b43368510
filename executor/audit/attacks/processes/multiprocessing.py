"""Run a function in another process"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-250",),
    guest="""
import multiprocessing

context = multiprocessing.get_context("fork")
process = context.Process(target=open, args=(target["dir"] + "/made", "w"))
process.start()
process.join()
""",
)
