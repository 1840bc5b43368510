"""Print halves of characters that cannot be encoded"""

from executor.audit.attack import Attack, Harm, Limit

ATTACK = Attack(
    harm=Harm.EXCESS,
    references=("CWE-131", "CWE-176"),
    walls=(Limit.STREAMS,),
    limits={"stdout_bytes": 10_000, "stderr_bytes": 10_000},
    guest="""
import sys

try:
    sys.stdout.reconfigure(errors="surrogatepass")
except (AttributeError, ValueError):
    pass
try:
    print("\\ud800" * 9_000)
except UnicodeError:
    print("\\ud800".encode("utf-8", "backslashreplace").decode() * 9_000)
""",
)
