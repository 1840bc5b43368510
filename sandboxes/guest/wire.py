"""What a cell and its guest say to each other, as text. Shared by both ends.

    run:   request  ->  reply          one JSON header line, then the pieces, unescaped
    emit:  kind, text                  output, log entries and progress while the guest runs
    call:  name, payload -> payload    one host function; the same shape as a request
    read-stdin: count -> text          one character for each byte

Rule 1: everything crosses as a component `string`, that is UTF-8 without surrogates. A header is
        ASCII JSON. A piece is text as it is; bytes that are not ASCII are in base64, which a guest
        reads at 4 ns a byte (one character for each byte takes it 12).
Rule 2: source, inputs, output and values are pieces: they are never escaped. The header counts
        their characters; a negative count marks base64.
Rule 3: a large piece may stay in a file that the guest can read; the header then names it. Where
        the cell can reach its guest's memory, it may lie there: the header has its address if the
        guest sends it, a number to ask for it if the guest is to get it, and its length.
Rule 4: `unpack_request` and `unpack_answer` run in the guest and trust the cell. `unpack_reply`,
        `unpack_call`, `unpack_log` and `unpack_progress` run in the cell and trust nothing: they
        raise `RemoteProtocolError` and nothing else.
"""

from __future__ import annotations

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator, Sequence
from typing import Any, Final

from protocol.errors import RemoteProtocolError
from sandboxes.guest.wire_entries import (
    flag,
    number,
    pack_log as pack_log,
    pack_progress as pack_progress,
    text_of,
    unpack_log as unpack_log,
    unpack_progress as unpack_progress,
)
from sandboxes.guest.wire_parts import (
    ERROR_MESSAGE_CHARS_MAX as ERROR_MESSAGE_CHARS_MAX,
    ERROR_NAME_CHARS_MAX as ERROR_NAME_CHARS_MAX,
    ERROR_TRACEBACK_CHARS_MAX as ERROR_TRACEBACK_CHARS_MAX,
    FILL as FILL,
    LOG as LOG,
    LOG_FIELDS_MAX as LOG_FIELDS_MAX,
    LOG_NAME_CHARS_MAX as LOG_NAME_CHARS_MAX,
    LOG_TEXT_CHARS_MAX as LOG_TEXT_CHARS_MAX,
    PIECES_MAX as PIECES_MAX,
    PROGRESS as PROGRESS,
    PROGRESS_MESSAGE_CHARS_MAX as PROGRESS_MESSAGE_CHARS_MAX,
    STDERR as STDERR,
    STDERR_RAW as STDERR_RAW,
    STDOUT as STDOUT,
    STDOUT_RAW as STDOUT_RAW,
    Answer as Answer,
    Awaited as Awaited,
    Failure as Failure,
    InFile as InFile,
    Inline as Inline,
    InMemory as InMemory,
    Piece as Piece,
    Reply as Reply,
    Request as Request,
    Value as Value,
)

_REQUEST_PLAIN: Final = (
    ("mode", "script"),
    ("filename", "main.py"),
    ("argv", ()),
    ("env", ()),
    ("result", ""),
    ("functions", ()),
    ("stream", False),
    ("deterministic", False),
    ("stdin", "empty"),
    ("cwd", ""),
    ("session", 0),
    ("reset", False),
    ("log_level", 20),
    ("stdout_bytes", 1 << 20),
    ("stderr_bytes", 1 << 20),
    ("value_bytes", 16 << 20),
)
_REPLY_FLAGS: Final = ("truncated_stdout", "truncated_stderr")
_REPLY_NUMBERS: Final = ("peak_memory_bytes", "cpu_us", "decode_us", "run_us", "encode_us")
_VERDICTS: Final = frozenset({"ok", "exception", "exit", "memory", "value"})
_INTEGER_MAX: Final = 2**53 - 1
_EXIT_CODE_MAX: Final = 2**31

#: How the header begins that has one length and nothing else.
_ONE_PIECE: Final = '{"pieces":['

_dumps = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_loads = json.JSONDecoder().decode


# --- pieces --------------------------------------------------------------------------------------
def _pack(header: dict[str, object], pieces: Sequence[Piece | str]) -> str:
    """Return the header line and the inline pieces behind it; the header learns their lengths."""
    table: list[object] = []
    texts: list[str] = []
    for piece in pieces:
        if isinstance(piece, InFile):
            table.append([piece.path, piece.length_bytes, piece.offset_bytes])
            continue
        if isinstance(piece, InMemory):
            table.append([piece.address, piece.length_bytes])
            continue
        if isinstance(piece, Awaited):
            table.append([piece.number, piece.length_bytes])
            continue
        if isinstance(piece, str):
            text = piece
            table.append(len(text))
        elif (data := bytes(piece)).isascii():
            text = data.decode("ascii")
            table.append(len(text))
        else:
            text = b2a_base64(data, newline=False).decode("ascii")
            table.append(-len(text))
        texts.append(text)
    header["pieces"] = table
    return _dumps(header) + "\n" + "".join(texts)


def _pack_value(value: Value) -> str:
    """Return a value with nothing beside it; most are one text, with one number for a header."""
    body = value.body
    if not value.buffers and type(body) is bytes and body.isascii():
        return f"{_ONE_PIECE}{len(body)}]}}\n{body.decode('ascii')}"
    return _pack({}, [body, *value.buffers])


def _only_piece(text: str) -> bytes | None:
    """Return the piece of a text that `_pack_value` wrote the short way, else `None`."""
    if not text.startswith(_ONE_PIECE):
        return None
    length, end, body = text[len(_ONE_PIECE) :].partition("]}\n")
    if not end or not length.isdecimal() or length != str(len(body)):
        return None
    return body.encode() if body.isascii() else None


def _raw(text: str, length: int) -> bytes:
    """Return the bytes of one piece.

    Raises:
        ValueError: it is neither text nor base64, as its length says.
    """
    return a2b_base64(text, strict_mode=True) if length < 0 else text.encode()


def _split(text: str) -> tuple[dict[str, object], str, int]:
    """Return the header of `text`, and where its pieces begin."""
    end = text.find("\n")
    if end < 0:
        raise RemoteProtocolError("wire: no header line")
    header = _loads(text[:end])
    if not isinstance(header, dict):
        raise RemoteProtocolError("wire: the header is not an object")
    return header, text, end + 1


def _unlisted(text: str, at: int, table: object, *, memory: bool) -> Iterator[bytes | InMemory]:
    """Yield the pieces that a guest packed; none of them may name a file.

    Raises:
        RemoteProtocolError: the lengths do not add up to the text.
    """
    if not isinstance(table, list) or len(table) > PIECES_MAX:
        raise RemoteProtocolError("wire: the table of pieces is not a list within its cap")
    for length in table:
        if memory and type(length) is list:
            if len(length) != 2:
                raise RemoteProtocolError("wire: a piece in memory has an address and a length")
            address, size = (number(given, 0, _INTEGER_MAX) for given in length)
            yield InMemory(address, size)
            continue
        if type(length) is not int or abs(length) > len(text) - at:
            raise RemoteProtocolError("wire: a piece is longer than its text")
        end = at + abs(length)
        try:
            yield _raw(text[at:end], length)
        except ValueError:  # of both codecs
            raise RemoteProtocolError("wire: a piece of bytes is not in base64") from None
        at = end
    if at != len(text):
        raise RemoteProtocolError("wire: text behind the last piece")


# --- request: cell to guest ----------------------------------------------------------------------
def pack_request(request: Request) -> str:
    """Return `request` as the argument of the guest's `run`.

    Raises:
        UnicodeDecodeError: the source is not UTF-8.
    """
    header: dict[str, object] = {}
    for name, default in _REQUEST_PLAIN:
        given = getattr(request, name)
        if given != default:
            header[name] = given
    source = request.source
    pieces: list[Piece | str] = [source if isinstance(source, str) else str(source, "utf-8")]
    if request.stdin == "bytes":
        pieces.append(request.stdin_data)
    if request.inputs is not None:
        header["inputs"] = True
        pieces += [request.inputs.body, *request.inputs.buffers]
    return _pack(header, pieces)


def unpack_request(text: str) -> Request:
    """Read a request in the guest. `source` becomes a `str`; what is not in it stays as named."""
    end = text.index("\n")
    header = _loads(text[:end])
    at = end + 1
    pieces: list[Piece | str] = []
    for entry in header.pop("pieces"):
        if type(entry) is list:
            pieces.append(InFile(*entry) if len(entry) == 3 else Awaited(*entry))
        elif not pieces:
            pieces.append(text[at : at + entry])  # the source stays text
            at += entry
        else:
            pieces.append(_raw(text[at : at + abs(entry)], entry))
            at += abs(entry)
    if header.get("stdin") == "bytes":
        header["stdin_data"] = pieces.pop(1)
    if header.get("inputs"):
        header["inputs"] = Value(pieces[1], pieces[2:])  # type: ignore[arg-type]  # the source alone is text
    source = pieces[0]
    assert isinstance(source, str)  # as `pack_request` sends it
    return Request(source, **header)


# --- reply: guest to cell ------------------------------------------------------------------------
def pack_reply(reply: Reply) -> str:
    """Return `reply` as the result of the guest's `run`."""
    header: dict[str, object] = {"verdict": reply.verdict}
    if reply.exit_code is not None:
        header["exit_code"] = reply.exit_code
    if reply.error is not None:
        header["error"] = [reply.error.name, reply.error.message, reply.error.traceback]
    if reply.truncated_stdout:
        header["truncated_stdout"] = True
    if reply.truncated_stderr:
        header["truncated_stderr"] = True
    for name in _REPLY_NUMBERS:
        if number := getattr(reply, name):
            header[name] = number
    pieces: list[Piece | str] = [reply.stdout, reply.stderr]
    if reply.value is not None:
        pieces += [reply.value.body, *reply.value.buffers]
    return _pack(header, pieces)


def unpack_reply(text: str, *, memory: bool = False) -> Reply:
    """Read a reply, written by a guest that is not trusted; of its value, pieces may be `InMemory`.

    Args:
        text: from the guest.
        memory: whether there is a memory for pieces to lie in.

    Raises:
        RemoteProtocolError: it is not exactly one reply within the caps.
    """
    header, text, at = _header(text)
    pieces = list(_unlisted(text, at, header.pop("pieces", None), memory=memory))
    match pieces[:2]:
        case [bytes() as stdout, bytes() as stderr]:
            pass
        case _:
            raise RemoteProtocolError("wire: a reply without its streams")
    verdict = header.pop("verdict", None)
    if type(verdict) is not str or verdict not in _VERDICTS:
        raise RemoteProtocolError("wire: no such verdict")
    error = header.pop("error", None)
    exit_code = header.pop("exit_code", None)
    if exit_code is not None:
        exit_code = number(exit_code, -_EXIT_CODE_MAX, _EXIT_CODE_MAX)
    flags = {name: flag(header.pop(name, False)) for name in _REPLY_FLAGS}
    numbers: dict[str, Any] = {
        name: number(header.pop(name, 0), 0, _INTEGER_MAX) for name in _REPLY_NUMBERS
    }
    if header:
        raise RemoteProtocolError("wire: unknown fields in a reply")
    return Reply(
        verdict=verdict,  # type: ignore[arg-type]  # checked against the closed set above
        exit_code=exit_code,
        error=None if error is None else _failure(error),
        value=Value(pieces[2], pieces[3:]) if len(pieces) > 2 else None,
        stdout=stdout,
        stderr=stderr,
        **flags,
        **numbers,
    )


def _header(text: str) -> tuple[dict[str, object], str, int]:
    try:
        return _split(text)
    except (ValueError, RecursionError):
        raise RemoteProtocolError("wire: the header is not JSON") from None


def _failure(given: object) -> Failure:
    if not isinstance(given, list) or len(given) != 3:
        raise RemoteProtocolError("wire: an error is not three texts")
    return Failure(
        text_of(given[0], ERROR_NAME_CHARS_MAX),
        text_of(given[1], ERROR_MESSAGE_CHARS_MAX),
        text_of(given[2], ERROR_TRACEBACK_CHARS_MAX),
    )


# --- host calls ----------------------------------------------------------------------------------
def pack_call(arguments: Value) -> str:
    """Return the payload of `call`: the value is `[args, kwargs]`."""
    return _pack_value(arguments)


def unpack_call(text: str, *, memory: bool = False) -> Value:
    """Read the payload of a `call` from a guest; pieces may be `InMemory`, as in a reply.

    Raises:
        RemoteProtocolError: it is not exactly one value.
    """
    if (body := _only_piece(text)) is not None:
        return Value(body, [])
    header, text, at = _header(text)
    pieces = list(_unlisted(text, at, header.pop("pieces", None), memory=memory))
    if header or not pieces:
        raise RemoteProtocolError("wire: a call is not exactly one value")
    return Value(pieces[0], pieces[1:])


def pack_answer(answer: Answer) -> str:
    """Return what `call` gives back to the guest: a value, or the exception to raise there."""
    if isinstance(answer, Failure):
        return _pack({"error": [answer.name, answer.message]}, [])
    return _pack_value(answer)


def unpack_answer(text: str) -> Answer:
    """Read the answer to a `call` in the guest."""
    if (body := _only_piece(text)) is not None:
        return Value(body, [])
    end = text.index("\n")
    header = _loads(text[:end])
    if "error" in header:
        return Failure(*header["error"])
    at = end + 1
    pieces: list[Piece] = []
    for entry in header["pieces"]:
        if type(entry) is list:
            pieces.append(Awaited(*entry))
        else:
            pieces.append(_raw(text[at : at + abs(entry)], entry))
            at += abs(entry)
    return Value(pieces[0], pieces[1:])


# --- standard input ------------------------------------------------------------------------------
def pack_stdin(data: Inline) -> str:
    """Return what `read-stdin` gives back to the guest."""
    return str(data, "latin-1")


def unpack_stdin(text: str) -> bytes:
    """Read a piece of standard input in the guest."""
    return text.encode("latin-1")
