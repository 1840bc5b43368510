"""Read the accounts and keys that systems keep in well-known places"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-522", "CWE-552"),
    guest="""
import glob
import os

for path in ("/etc/shadow", "/root/.ssh/id_rsa", target["file"], *glob.glob("/home/*/.ssh/*")):
    try:
        with open(os.path.expanduser(path)) as file:
            print(file.read(200))
    except OSError:
        pass
""",
)
