"""Types without parts of their own kind: how each is taken apart and put together again.

`take_apart` gives a row's operation and arguments, scalars or (a `tzinfo`) another leaf; `PUT`
holds for each operation the function that makes the value from the arguments as they arrived.

Rule 1: arguments are attacker data. Each function checks what its constructor would let pass, and
caps what would take more than linear time; whatever else is wrong may raise ValueError,
TypeError, ArithmeticError or LookupError.
Rule 2: nothing is imported until a value of that type occurs.
"""

from __future__ import annotations

import enum
import sys
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from protocol.errors import ValueRefused
from protocol.values.records import Member, class_name_of, is_name

if TYPE_CHECKING:
    import datetime
    import decimal
    import fractions
    import pathlib
    import uuid
    import zoneinfo

type Apart = tuple[str, list[object]]

#: Beyond these a text of a few bytes stands for a number that takes gigabytes to use.
DECIMAL_DIGITS_MAX: Final = 10_000
DECIMAL_EXPONENT_MAX: Final = 100_000
#: A fraction is reduced when it is made, in quadratic time.
FRACTION_BITS_MAX: Final = 16_384
ZONE_KEY_CHARS_MAX: Final = 64


class Unfit(Exception):
    """A value of a type that is carried cannot be carried itself; the text says why."""


# --- apart ---------------------------------------------------------------------------------------
def take_apart(value: object) -> Apart | None:
    """Return the operation and the arguments of a leaf; `None` if its type is none.

    Raises:
        Unfit: this value of the type cannot cross.
    """
    cls = type(value)
    how = _APART.get(cls) or _find(cls)
    return None if how is None else how(value)


def _find(cls: type) -> Callable[[Any], Apart] | None:
    if issubclass(cls, enum.Enum):
        return _apart_member
    module, how = _BY_NAME.get(cls.__name__, ("", None))
    # A look into the loaded modules: whoever has such a value has imported its module.
    if how is None or getattr(sys.modules.get(module), cls.__name__, None) is not cls:
        return None
    _APART[cls] = how
    return how


def _apart_int(value: int) -> Apart:
    return "int", [f"{value:x}"]


def _apart_str(value: str) -> Apart:
    return "str", [value.encode("utf-8", "surrogatepass").hex()]


def _apart_complex(value: complex) -> Apart:
    return "complex", [value.real, value.imag]


def _apart_range(value: range) -> Apart:
    return "range", [value.start, value.stop, value.step]


def _apart_slice(value: slice[object, object, object]) -> Apart:
    bounds = [value.start, value.stop, value.step]
    if not {type(x) for x in bounds} <= {int, type(None)}:
        raise Unfit("a slice with bounds that are not ints")
    return "slice", bounds


def _apart_ellipsis(_value: object) -> Apart:
    return "ellipsis", []


def _apart_member(value: enum.Enum) -> Apart:
    cls = type(value)
    name = value.name if isinstance(value.name, str) else ""
    if cls.__members__.get(name) is not value:
        raise Unfit(f"a combination of {cls.__name__} flags; send its int")
    return "member", [class_name_of(cls), name]


def _apart_bare_member(value: Member) -> Apart:
    return "member", [value.enum, value.name]


def _apart_date(value: datetime.date) -> Apart:
    return "date", [value.year, value.month, value.day]


def _apart_time(value: datetime.time) -> Apart:
    clock: list[object] = [value.hour, value.minute, value.second, value.microsecond, value.fold]
    return "time", [*clock, value.tzinfo]


def _apart_datetime(value: datetime.datetime) -> Apart:
    clock: list[object] = [value.hour, value.minute, value.second, value.microsecond, value.fold]
    return "datetime", [value.year, value.month, value.day, *clock, value.tzinfo]


def _apart_timedelta(value: datetime.timedelta) -> Apart:
    return "timedelta", [value.days, value.seconds, value.microseconds]


def _apart_timezone(value: datetime.timezone) -> Apart:
    # The name, where one was given, is public only through what pickle would store.
    offset, *name = value.__getinitargs__()  # type: ignore[attr-defined]  # not in typeshed
    return "timezone", [offset.days, offset.seconds, offset.microseconds, *(name or [None])]


def _apart_zone(value: zoneinfo.ZoneInfo) -> Apart:
    if not _is_zone_key(value.key):
        raise Unfit("a time zone without a key of the tz database")
    return "zoneinfo", [value.key]


def _apart_decimal(value: decimal.Decimal) -> Apart:
    if not _is_modest(value):
        raise Unfit("a Decimal with too many digits or too large an exponent")
    return "decimal", [str(value)]


def _apart_fraction(value: fractions.Fraction) -> Apart:
    if _fraction_bits(value.numerator, value.denominator) > FRACTION_BITS_MAX:
        raise Unfit(f"a Fraction of more than {FRACTION_BITS_MAX} bits")
    return "fraction", [f"{value.numerator:x}", f"{value.denominator:x}"]


def _apart_uuid(value: uuid.UUID) -> Apart:
    return "uuid", [value.hex]


def _apart_posix_path(value: pathlib.PurePath) -> Apart:
    return "posix_path", [str(value)]


def _apart_windows_path(value: pathlib.PurePath) -> Apart:
    return "windows_path", [str(value)]


_APART: Final[dict[type, Callable[[Any], Apart]]] = {
    int: _apart_int,
    str: _apart_str,
    complex: _apart_complex,
    range: _apart_range,
    slice: _apart_slice,
    type(...): _apart_ellipsis,
    Member: _apart_bare_member,
}
_BY_NAME: Final[dict[str, tuple[str, Callable[[Any], Apart]]]] = {
    "date": ("datetime", _apart_date),
    "time": ("datetime", _apart_time),
    "datetime": ("datetime", _apart_datetime),
    "timedelta": ("datetime", _apart_timedelta),
    "timezone": ("datetime", _apart_timezone),
    "ZoneInfo": ("zoneinfo", _apart_zone),
    "Decimal": ("decimal", _apart_decimal),
    "Fraction": ("fractions", _apart_fraction),
    "UUID": ("uuid", _apart_uuid),
    "PosixPath": ("pathlib", _apart_posix_path),
    "PurePosixPath": ("pathlib", _apart_posix_path),
    "WindowsPath": ("pathlib", _apart_windows_path),
    "PureWindowsPath": ("pathlib", _apart_windows_path),
}


# --- together ------------------------------------------------------------------------------------
def _put_int(text: object) -> int:
    return int(_hex(text), 16)


def _put_str(text: object) -> str:
    return bytes.fromhex(_text(text)).decode("utf-8", "surrogatepass")


def _put_complex(real: object, imaginary: object) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise TypeError
    return complex(real, imaginary)


def _put_range(start: object, stop: object, step: object) -> range:
    return range(_int(start), _int(stop), _int(step))


def _put_slice(*bounds: object) -> slice[object, object, object]:
    start, stop, step = (x if x is None else _int(x) for x in bounds)
    return slice(start, stop, step)


def _put_ellipsis() -> object:
    return ...


def _put_member(cls: object, name: object) -> Member:
    if not is_name(cls) or not is_name(name):
        raise ValueError
    return Member(_text(cls), _text(name))


def _put_date(*parts: object) -> object:
    import datetime

    return datetime.date(*map(_int, parts))


def _put_time(*parts: object) -> object:
    import datetime

    hour, minute, second, microsecond, fold = map(_int, parts[:5])
    return datetime.time(hour, minute, second, microsecond, _zone(parts[5]), fold=fold)


def _put_datetime(*parts: object) -> object:
    import datetime

    year, month, day, hour, minute, second, microsecond, fold = map(_int, parts[:8])
    zone = _zone(parts[8])
    return datetime.datetime(year, month, day, hour, minute, second, microsecond, zone, fold=fold)


def _put_timedelta(days: object, seconds: object, microseconds: object) -> object:
    import datetime

    return datetime.timedelta(_int(days), _int(seconds), _int(microseconds))


def _put_timezone(days: object, seconds: object, microseconds: object, name: object) -> object:
    import datetime

    offset = datetime.timedelta(_int(days), _int(seconds), _int(microseconds))
    return datetime.timezone(offset) if name is None else datetime.timezone(offset, _text(name))


def _put_zone(key: object) -> object:
    import zoneinfo

    if not _is_zone_key(key):
        raise ValueError
    try:
        return zoneinfo.ZoneInfo(_text(key))
    except (zoneinfo.ZoneInfoNotFoundError, OSError):  # OSError: the key names a folder
        raise ValueRefused("value", f"the time zone {key} is not known on this side") from None


def _put_decimal(text: object) -> object:
    import decimal

    if len(_text(text)) > DECIMAL_DIGITS_MAX + 32:
        raise ValueError
    value = decimal.Decimal(_text(text))
    if not _is_modest(value):
        raise ValueError
    return value


def _put_fraction(numerator: object, denominator: object) -> object:
    import fractions

    above, below = _put_int(numerator), _put_int(denominator)
    if _fraction_bits(above, below) > FRACTION_BITS_MAX or below < 1:
        raise ValueError
    return fractions.Fraction(above, below)


def _put_uuid(text: object) -> object:
    import uuid

    if len(_hex(text)) != 32 or "-" in _text(text):
        raise ValueError
    return uuid.UUID(int=int(_hex(text), 16))


def _put_posix_path(text: object) -> object:
    import pathlib

    return pathlib.PurePosixPath(_text(text))


def _put_windows_path(text: object) -> object:
    import pathlib

    return pathlib.PureWindowsPath(_text(text))


PUT: Final[dict[str, tuple[int, Callable[..., object]]]] = {
    "int": (1, _put_int),
    "str": (1, _put_str),
    "complex": (2, _put_complex),
    "range": (3, _put_range),
    "slice": (3, _put_slice),
    "ellipsis": (0, _put_ellipsis),
    "member": (2, _put_member),
    "date": (3, _put_date),
    "time": (6, _put_time),
    "datetime": (9, _put_datetime),
    "timedelta": (3, _put_timedelta),
    "timezone": (4, _put_timezone),
    "zoneinfo": (1, _put_zone),
    "decimal": (1, _put_decimal),
    "fraction": (2, _put_fraction),
    "uuid": (1, _put_uuid),
    "posix_path": (1, _put_posix_path),
    "windows_path": (1, _put_windows_path),
}


# --- bytes-likes ---------------------------------------------------------------------------------
def bytes_to_text(data: bytes | bytearray | memoryview) -> str:
    """Return `data` as base64."""
    return b2a_base64(data, newline=False).decode("ascii")


def text_to_bytes(text: object) -> bytes:
    """Return the bytes that a base64 text holds, refusing any other text."""
    return a2b_base64(_text(text), strict_mode=True)


# --- checks --------------------------------------------------------------------------------------
def _int(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def _hex(value: object) -> str:
    # int() also takes spaces, underscores, a prefix and other digits than these.
    text = _text(value)
    if not set(text.removeprefix("-")) <= _HEX_DIGITS:
        raise ValueError
    return text


def _zone(value: object) -> datetime.tzinfo | None:
    import datetime

    if value is not None and not isinstance(value, datetime.tzinfo):
        raise TypeError
    return value


def _is_zone_key(key: object) -> bool:
    return (
        type(key) is str
        and 0 < len(key) <= ZONE_KEY_CHARS_MAX
        and key.isascii()
        and key.translate(_ZONE_KEY_SIGNS).isalnum()
    )


_HEX_DIGITS: Final = frozenset("0123456789abcdef")
_ZONE_KEY_SIGNS: Final = str.maketrans("", "", "/_+-")


def _is_modest(value: decimal.Decimal) -> bool:
    _sign, digits, exponent = value.as_tuple()
    if len(digits) > DECIMAL_DIGITS_MAX:
        return False
    return isinstance(exponent, str) or abs(exponent) <= DECIMAL_EXPONENT_MAX


def _fraction_bits(numerator: int, denominator: int) -> int:
    return max(numerator.bit_length(), denominator.bit_length())
