"""What values are measured by, and what an encoded one is."""

from __future__ import annotations

from protocol.structs import field, frozen

type Buffer = bytes | bytearray | memoryview


@frozen
class Budget:
    """How large a value may be, on the side that encodes and on the side that decodes.

    Args:
        bytes_max: of the body and its buffers together.
        nodes_max: values and keys, all of them counted; an empty list or dict counts for two.
        depth_max: containers within containers, on the shortest way to the deepest one.
    """

    bytes_max: int = 256 << 20
    nodes_max: int = 4_000_000
    depth_max: int = 1_000


@frozen
class Encoded:
    """A value as bytes: `body` is UTF-8 text, `buffers` are its large bytes-likes, uncopied.

    A buffer may be a view of the object that was encoded; do not change that until it is sent.
    """

    body: bytes
    buffers: list[Buffer] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """Return the size of the body and all buffers."""
        return len(self.body) + sum(map(buffer_bytes, self.buffers))


def buffer_bytes(buffer: Buffer) -> int:
    """Return the size of `buffer`, of whatever items it is made."""
    return buffer.nbytes if isinstance(buffer, memoryview) else len(buffer)
