"""A .wasm program that a user gave: its bytes, and what kind of program they seem to be."""

from __future__ import annotations

import os

from sandboxes.errors import ImageError
from sandboxes.wasm.build import kind_of


def given(
    program: str | os.PathLike[str] | bytes, bytes_max: int, *, allow_text: bool
) -> tuple[bytes, str]:
    """Return the bytes of a program, and "module", "component" or "" for the text form.

    Args:
        program: a file, or its bytes.
        bytes_max: of it.
        allow_text: take the text form (.wat), too.

    Raises:
        ImageError: it is no WebAssembly, or cannot be read, or is over the limit.
    """
    wasm = _bytes_of(program, bytes_max)
    kind = kind_of(wasm)
    if not kind and (wasm.startswith(b"\0asm") or not allow_text):
        raise ImageError(
            "this is not a WebAssembly program of a known form"
            if wasm.startswith(b"\0asm") or b"\0" in wasm[:4]
            else "this is not WebAssembly in its binary form, and the text form was not asked for"
        )
    return wasm, kind


def _bytes_of(program: str | os.PathLike[str] | bytes, bytes_max: int) -> bytes:
    if isinstance(program, bytes):
        wasm = program
    else:
        try:
            with open(program, "rb", buffering=0) as stream:
                size_bytes = os.fstat(stream.fileno()).st_size
                wasm = b"" if size_bytes > bytes_max else stream.read(bytes_max + 1)
        except OSError as error:
            raise ImageError(f"{os.fspath(program)}: {error.strerror}") from None
        if size_bytes > bytes_max:
            raise ImageError(f"a program of {size_bytes} B is over the limit of {bytes_max} B")
    if len(wasm) > bytes_max:
        raise ImageError(f"a program of {len(wasm)} B is over the limit of {bytes_max} B")
    return wasm
