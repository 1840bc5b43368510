"""What `import host` and `logging` give a guest, tried in a native Python."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from protocol.errors import ValueRefused
from protocol.values import decode, encode
from sandboxes.guest import entries, hostside, ports, wire


def value(given: object) -> wire.Value:
    sent = encode(given)
    return wire.Value(sent.body, sent.buffers)


class Host:
    """Answers calls as it was told to, and keeps what it heard."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []
        self.emitted: list[tuple[int, str]] = []
        self.answer: Callable[[list[object]], wire.Value | wire.Failure] = lambda heard: value(
            heard
        )

    def call(self, name: str, payload: str) -> str:
        sent = wire.unpack_call(payload)
        heard = decode(sent.body, sent.buffers)  # type: ignore[arg-type]  # inline pieces are bytes
        assert isinstance(heard, list)
        self.calls.append((name, heard))
        return wire.pack_answer(self.answer(heard))


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    ports.connect(lambda kind, text: host.emitted.append((kind, text)), host.call, lambda _: "")
    hostside.begin(("fetch", "progress", "__wrapped__"))
    yield host
    hostside.begin(())
    ports.disconnect()


MODULE = hostside.HostModule()


def test_a_declared_function_is_called_with_its_arguments_and_gives_its_value(host: Host) -> None:
    given = MODULE.fetch(1, ("a", {2}), key=b"x" * 100_000)

    assert given == [[1, ("a", {2})], {"key": b"x" * 100_000}]
    assert host.calls == [("fetch", given)]


def test_what_was_not_declared_is_no_attribute(host: Host) -> None:
    with pytest.raises(AttributeError, match=r"no function 'other' \(it offers: fetch"):
        _ = MODULE.other
    hostside.begin(())
    with pytest.raises(AttributeError, match="none"):
        _ = hostside._module.fetch
    assert host.calls == []


def test_our_own_names_win_over_declared_ones(host: Host) -> None:
    MODULE.progress(0.5)

    with pytest.raises(AttributeError):
        _ = MODULE.__wrapped__
    assert host.calls == []


@pytest.mark.parametrize(
    ("name", "cls", "text"),
    [
        ("ValueError", ValueError, "m"),
        ("TypeError", TypeError, "m"),
        ("FileNotFoundError", FileNotFoundError, "m"),
        ("KeyError", KeyError, "'m'"),
        ("TimeoutError", TimeoutError, "m"),
    ],
)
def test_an_error_of_the_host_arrives_as_the_builtin_of_its_name(
    host: Host, name: str, cls: type[Exception], text: str
) -> None:
    host.answer = lambda _: wire.Failure(name, text if cls is KeyError else "m")

    with pytest.raises(cls) as caught:
        MODULE.fetch()

    assert type(caught.value) is cls
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "name",
    [
        *("HTTPError", "SystemExit", "KeyboardInterrupt", "BaseException", "MemoryError", "object"),
        *("StopIteration", "GeneratorExit", "UnicodeDecodeError", "ExceptionGroup", "open", ""),
    ],
)
def test_any_other_error_of_the_host_arrives_as_a_host_error(host: Host, name: str) -> None:
    host.answer = lambda _: wire.Failure(name, "m")

    with pytest.raises(hostside.HostError) as caught:
        MODULE.fetch()

    assert (caught.value.name, caught.value.message) == (name, "m")


def test_an_argument_that_cannot_cross_is_refused_with_the_way_to_it(host: Host) -> None:
    with pytest.raises(ValueRefused, match=r"^fetch: args\[1\]\['x'\]\[0\]: "):
        MODULE.fetch(1, {"x": [object()]})
    with pytest.raises(ValueRefused, match=r"^fetch: kwargs\['key'\]: "):
        MODULE.fetch(key=object())
    assert host.calls == []


def test_progress_is_sent_in_thousandths_and_repeated_only_if_it_moved(host: Host) -> None:
    for fraction in (0, 0.25, 0.2501, 1):
        hostside.progress(fraction, "half")

    notes = [wire.unpack_progress(text) for kind, text in host.emitted if kind == wire.PROGRESS]
    assert notes == [(0, "half"), (250, "half"), (1_000, "half")]


@pytest.mark.parametrize("bad", [-0.001, 1.001, float("nan"), float("inf")])
def test_progress_out_of_range_is_refused(host: Host, bad: float) -> None:
    with pytest.raises(ValueError, match="fraction"):
        hostside.progress(bad)


def record(message: str = "%s", *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("app.db", logging.WARNING, "file.py", 3, message, args, None)
    made.__dict__.update(extra)
    return made


def test_a_log_entry_has_its_level_logger_message_and_extra_fields() -> None:
    packed = entries.pack(record("slow %s", "query", rows=5, who="me"))

    assert wire.unpack_log(packed) == (30, "app.db", "slow query", {"rows": "5", "who": "me"})


def test_a_log_entry_carries_its_exception() -> None:
    made = record("failed")
    try:
        raise KeyError("k")
    except KeyError as error:
        made.exc_info = (type(error), error, error.__traceback__)

    assert "KeyError: 'k'" in wire.unpack_log(entries.pack(made))[3]["exception"]


def test_a_huge_log_entry_is_cut_to_the_caps() -> None:
    many = {f"field{n}": "v" * 100_000 for n in range(100)}
    made = record("m" * 1_000_000, **many)
    made.levelno = 10**9

    level, _, message, fields = wire.unpack_log(entries.pack(made))

    assert level == 1_000
    assert len(message) == wire.LOG_TEXT_CHARS_MAX
    assert len(fields) == wire.LOG_FIELDS_MAX
    assert {len(text) for text in fields.values()} == {entries.FIELD_CHARS_MAX}


def test_a_record_that_cannot_be_shown_is_reported_and_does_not_break_the_program(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    class Hostile:
        def __str__(self) -> str:
            raise ValueError("no")

    entries.Entries().handle(record("%s", Hostile()))

    assert host.emitted == []
    assert "Logging error" in capsys.readouterr().err
