"""Fetch a page from the host, as cloud metadata is fetched"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.HEARD,
    references=("CWE-918",),
    guest="""
import urllib.request

urllib.request.urlopen(f"http://127.0.0.1:{target['tcp']}/latest/meta-data/", timeout=0.3)
""",
)
