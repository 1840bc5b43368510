"""What a cell and its guest may rely on when they read each other, whatever the guest sends."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from protocol.errors import RemoteProtocolError
from sandboxes.guest import wire

PIECES = st.one_of(st.binary(max_size=64), st.text(max_size=32).map(str.encode))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.builds(wire.Value, PIECES, st.lists(PIECES, max_size=3))
ANY_TEXT = st.text(max_size=30)  # with lone surrogates: a guest may put them into an error

REQUESTS = st.builds(
    wire.Request,
    source=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    mode=st.sampled_from(["script", "cell"]),
    filename=ANY_TEXT,
    argv=st.lists(ANY_TEXT, max_size=3),
    env=st.lists(st.tuples(NAMES, ANY_TEXT).map(list), max_size=3),
    result=NAMES,
    functions=st.lists(NAMES, max_size=3),
    stream=st.booleans(),
    deterministic=st.booleans(),
    stdin=st.sampled_from(["empty", "live"]),
    inputs=st.none() | VALUES,
    cwd=NAMES,
    session=st.integers(0, 2**53 - 1),
    reset=st.booleans(),
    log_level=st.integers(0, 50),
    stdout_bytes=st.integers(0, 2**40),
)
REPLIES = st.builds(
    wire.Reply,
    verdict=st.sampled_from(["ok", "exception", "exit", "memory", "value"]),
    exit_code=st.none() | st.integers(-(2**31), 2**31),
    error=st.none() | st.builds(wire.Failure, ANY_TEXT, ANY_TEXT, ANY_TEXT),
    value=st.none() | VALUES,
    stdout=PIECES,
    stderr=PIECES,
    truncated_stdout=st.booleans(),
    truncated_stderr=st.booleans(),
    run_us=st.integers(0, 2**53 - 1),
)


def crossing(text: str) -> str:
    """What arrives of a text that crosses as a component string."""
    return text.encode().decode()


@given(REQUESTS)
def test_a_request_arrives_as_it_was_sent(request: wire.Request) -> None:
    arrived = wire.unpack_request(crossing(wire.pack_request(request)))

    if request.env:
        arrived = wire.unpack_request(crossing(wire.pack_request(arrived)))
    assert arrived == request


def test_standard_input_crosses_byte_by_byte() -> None:
    every = bytes(range(256))
    request = wire.Request("", stdin="bytes", stdin_data=every, inputs=wire.Value(b"{}", [every]))

    arrived = wire.unpack_request(crossing(wire.pack_request(request)))

    assert arrived.stdin_data == every
    assert arrived.inputs == wire.Value(b"{}", [every])
    assert wire.unpack_stdin(crossing(wire.pack_stdin(every))) == every


def test_a_piece_in_a_file_crosses_by_name_alone() -> None:
    held = wire.InFile("/spool/x", 1 << 30, 4096)
    request = wire.Request(b"x", inputs=wire.Value(b"[]", [held, b"inline"]))

    packed = wire.pack_request(request)

    assert len(packed) < 200
    assert wire.unpack_request(packed).inputs == wire.Value(b"[]", [held, b"inline"])


def test_source_may_be_given_as_bytes_and_arrives_as_text() -> None:
    packed = wire.pack_request(wire.Request("print('é€')".encode(), inputs=wire.Value(b"\xff")))

    assert wire.unpack_request(crossing(packed)).source == "print('é€')"
    with pytest.raises(UnicodeDecodeError):
        wire.pack_request(wire.Request(b"\xff"))


def test_source_is_not_escaped() -> None:
    source = "print('\\n')\n" * 10

    assert wire.pack_request(wire.Request(source)).endswith("\n" + source)


@given(REPLIES)
def test_a_reply_arrives_as_it_was_sent(reply: wire.Reply) -> None:
    assert wire.unpack_reply(crossing(wire.pack_reply(reply))) == reply


@given(VALUES, ANY_TEXT, ANY_TEXT)
def test_a_host_call_and_its_answer_arrive_as_they_were_sent(
    value: wire.Value, name: str, message: str
) -> None:
    assert wire.unpack_call(crossing(wire.pack_call(value))) == value
    assert wire.unpack_answer(crossing(wire.pack_answer(value))) == value
    failure = wire.Failure(name, message)
    assert wire.unpack_answer(crossing(wire.pack_answer(failure))) == failure


def test_entries_of_the_log_and_of_progress_arrive_as_they_were_sent() -> None:
    fields = [("a", "1"), ("b", "\ud800")]

    packed = wire.pack_log(30, "app.db", "slow\nquery", fields)

    assert wire.unpack_log(packed) == (30, "app.db", "slow\nquery", dict(fields))
    assert wire.unpack_progress(wire.pack_progress(1_000, "done")) == (1_000, "done")


READERS: list[Callable[[str], object]] = [
    wire.unpack_reply,
    wire.unpack_call,
    wire.unpack_log,
    wire.unpack_progress,
]


@given(st.text() | st.builds(lambda a, b: f"{a}\n{b}", st.text(), st.text()))
def test_no_text_of_a_guest_raises_anything_but_a_protocol_error(text: str) -> None:
    for read in READERS:
        try:
            read(text)
        except RemoteProtocolError:
            continue


@given(st.recursive(st.none() | st.integers() | st.text() | st.booleans(), st.lists, max_leaves=8))
def test_no_header_of_a_guest_raises_anything_but_a_protocol_error(junk: object) -> None:
    honest = json.loads(wire.pack_reply(wire.Reply("ok", 0, value=wire.Value(b"1"))).split("\n")[0])
    for name in [*honest, "error", "truncated_stdout", "run_us", "surplus"]:
        try:
            wire.unpack_reply(json.dumps({**honest, name: junk}) + "\n1")
        except RemoteProtocolError:
            continue


def reply_with(body: str = "", **fields: object) -> str:
    return json.dumps({"verdict": "ok", "pieces": [0, 0], **fields}) + "\n" + body


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("", "no header", id="empty"),
        pytest.param("[]\n", "not an object", id="list"),
        pytest.param("{" + "[" * 100_000 + "\n", "not JSON", id="bomb"),
        pytest.param('{"a":' * 100_000 + "\n", "not JSON", id="deep"),
        pytest.param(reply_with(verdict="timeout"), "no such verdict", id="forged-verdict"),
        pytest.param(reply_with(verdict=["ok"]), "no such verdict", id="unhashable-verdict"),
        pytest.param(reply_with(surplus=1), "unknown fields", id="unknown-field"),
        pytest.param(reply_with(exit_code=True), "number", id="bool-for-int"),
        pytest.param(reply_with(exit_code=2**31 + 1), "number", id="wide-exit-code"),
        pytest.param(reply_with(run_us=-1), "number", id="negative-time"),
        pytest.param(reply_with(truncated_stdout=1), "flag", id="int-for-bool"),
        pytest.param(reply_with(pieces=[0]), "streams", id="no-stderr"),
        pytest.param(reply_with(pieces=[0, 1]), "longer", id="short-body"),
        pytest.param(reply_with("xx", pieces=[1, 0]), "behind", id="long-body"),
        pytest.param(reply_with(pieces=[0, 0, ["/etc/passwd", 10, 0]]), "piece", id="names-a-file"),
        pytest.param(reply_with("€€€€", pieces=[-4, 0]), "base64", id="wide-base64"),
        pytest.param(reply_with("QQ=", pieces=[-3, 0]), "base64", id="short-base64"),
        pytest.param(reply_with("Q\nQ=", pieces=[-4, 0]), "base64", id="dirty-base64"),
        pytest.param(reply_with("\ud800", pieces=[1, 0]), "base64", id="surrogate"),
        pytest.param(reply_with(error=["E", "m"]), "three", id="short-error"),
        pytest.param(reply_with(error=["E", 1, ""]), "text", id="number-in-error"),
    ],
)
def test_a_reply_that_is_not_exactly_one_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(RemoteProtocolError, match=complaint):
        wire.unpack_reply(text)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_the_texts_of_an_error_are_taken_at_their_caps_and_refused_one_past_them(part: int) -> None:
    caps = [
        wire.ERROR_NAME_CHARS_MAX,
        wire.ERROR_MESSAGE_CHARS_MAX,
        wire.ERROR_TRACEBACK_CHARS_MAX,
    ]
    texts = ["", "", ""]
    texts[part] = "x" * caps[part]
    assert wire.unpack_reply(reply_with(error=texts)).error == wire.Failure(*texts)

    texts[part] += "x"
    with pytest.raises(RemoteProtocolError, match="cap"):
        wire.unpack_reply(reply_with(error=texts))


def test_the_fields_of_a_log_entry_are_taken_at_their_cap_and_refused_one_past_it() -> None:
    fields = [(str(n), "") for n in range(wire.LOG_FIELDS_MAX)]
    assert len(wire.unpack_log(wire.pack_log(0, "", "", fields))[3]) == wire.LOG_FIELDS_MAX

    with pytest.raises(RemoteProtocolError, match="cap"):
        wire.unpack_log(wire.pack_log(0, "", "", [*fields, ("more", "")]))


def test_more_pieces_than_the_cap_are_refused() -> None:
    pieces = [0] * wire.PIECES_MAX
    wire.unpack_reply(reply_with(pieces=pieces))

    with pytest.raises(RemoteProtocolError, match="cap"):
        wire.unpack_reply(reply_with(pieces=[*pieces, 0]))
