"""Digests and compression, both in C."""

import hashlib
import zlib

data = b"".join(b"%d," % n for n in range(20000))
digest = b""
for _ in range(8):
    digest = hashlib.sha256(digest + data).digest()
packed = zlib.compress(data, 6)
print(digest.hex()[:16], len(packed), zlib.crc32(zlib.decompress(packed)))
