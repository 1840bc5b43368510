"""Kill a process of the host through a descriptor of it"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SENTINEL,
    references=("CWE-250",),
    guest="""
import os
import signal

signal.pidfd_send_signal(os.pidfd_open(target["sentinel"]), 9)
""",
)
