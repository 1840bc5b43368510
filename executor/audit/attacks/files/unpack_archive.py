"""Unpack an archive whose names lead out of its directory"""

from executor.audit.attack import Attack, Harm

ATTACK = Attack(
    harm=Harm.CHANGED,
    references=("CWE-22", "CVE-2007-4559"),
    guest="""
import io
import tarfile

room = io.BytesIO()
with tarfile.open(fileobj=room, mode="w") as archive:
    entry = tarfile.TarInfo(target["dir"].lstrip("/") + "/unpacked")
    entry.size = 3
    archive.addfile(entry, io.BytesIO(b"xyz"))
room.seek(0)
with tarfile.open(fileobj=room) as archive:
    archive.extractall("/", filter="fully_trusted")
""",
)
