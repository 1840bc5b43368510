"""Pack a file of the host into an archive in memory"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.SECRET,
    references=("CWE-22",),
    guest="""
import io
import tarfile

room = io.BytesIO()
with tarfile.open(fileobj=room, mode="w") as archive:
    archive.add(target["file"], "secret")
print(room.getvalue().replace(b"\\0", b""))
""",
)
