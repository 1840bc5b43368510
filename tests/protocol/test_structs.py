"""Classes of `protocol.structs` are dataclasses to everybody who asks; only cheaper to define."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from typing import Annotated, Any

import pydantic
import pytest

from protocol import structs
from protocol.fields import AtMost
from protocol.structs import field, frozen, mutable


@frozen
class Struct:
    """Of ours."""

    a: int
    b: str = "b"
    c: list[int] = field(default_factory=list)
    d: bytes = field(default=b"", repr=False)

    @property
    def double(self) -> int:
        return self.a * 2


@dataclasses.dataclass(frozen=True, slots=True)
class Twin:
    """Of the standard library's."""

    a: int
    b: str = "b"
    c: list[int] = dataclasses.field(default_factory=list)
    d: bytes = dataclasses.field(default=b"", repr=False)

    @property
    def double(self) -> int:
        return self.a * 2


@mutable
class Changing:
    """May be changed."""

    a: int
    seen: dict[str, int] = field(default_factory=dict)


@frozen
class Checked:
    """Refuses what is not positive, and turns text into a number."""

    a: int | str

    def __post_init__(self) -> None:
        if int(self.a) <= 0:
            raise ValueError("not positive")
        object.__setattr__(self, "a", int(self.a))


@frozen
class Empty:
    """Has no fields."""


BOTH: list[Any] = [Struct, Twin]


@pytest.fixture(params=BOTH, ids=["ours", "the standard library's"])
def cls(request: pytest.FixtureRequest) -> Any:
    return request.param


# --- each of these holds for a dataclass, and so for ours ----------------------------------------
def test_fields_are_given_by_place_and_by_name_and_defaults_are_made_anew(cls: Any) -> None:
    made = cls(1, c=[2])

    assert (made.a, made.b, made.c, made.d, made.double) == (1, "b", [2], b"", 2)
    assert cls(1).c == []
    assert cls(1).c is not cls(1).c


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1,), {"a": 2}), ((1,), {"x": 2}), ((1, 2, 3, 4, 5), {})]
)
def test_wrong_arguments_are_a_type_error(cls: Any, args: Any, kwargs: Any) -> None:
    for _ in range(2):  # the first object of a class is made another way than the others
        with pytest.raises(TypeError, match=r"__init__\(\)"):
            cls(*args, **kwargs)


def test_values_are_equal_by_fields_within_a_class(cls: Any) -> None:
    assert cls(1, c=[2]) == cls(1, c=[2])
    assert cls(1) != cls(2)
    assert cls(1) != (1, "b", [], b"")
    assert cls(1) != next(other for other in BOTH if other is not cls)(1)


def test_values_hash_by_fields(cls: Any) -> None:
    assert hash(cls(1, c=())) == hash(cls(1, c=()))
    with pytest.raises(TypeError, match="unhashable"):
        hash(cls(1))


def test_a_value_is_shown_by_its_fields(cls: Any) -> None:
    assert repr(cls(1, d=b"hidden")) == f"{cls.__name__}(a=1, b='b', c=[])"


def test_a_value_that_holds_itself_is_shown(cls: Any) -> None:
    made = cls(1)
    made.c.append(made)

    assert repr(made) == f"{cls.__name__}(a=1, b='b', c=[...])"


@pytest.mark.parametrize("name", ["a", "d"])
def test_a_value_cannot_be_changed(cls: Any, name: str) -> None:
    made = cls(1)

    with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot assign to field '{name}'"):
        setattr(made, name, 2)
    with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot delete field '{name}'"):
        delattr(made, name)
    with pytest.raises((AttributeError, TypeError)):  # the latter from the standard library's
        made.new = 1
    assert not hasattr(made, "__dict__")


def test_a_value_can_be_matched(cls: Any) -> None:
    match cls(1, "x"):
        case Struct(a, b) | Twin(a, b):
            assert (a, b) == (1, "x")
        case _:
            pytest.fail("no match")


def test_a_value_can_be_pickled_and_copied(cls: Any) -> None:
    made = cls(1, "x", [2], b"d")

    for again in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made)):
        assert again == made
        assert again.d == b"d"
    assert copy.deepcopy(made).c is not made.c


def test_a_value_can_be_replaced_in_part(cls: Any) -> None:
    assert copy.replace(cls(1), b="x") == cls(1, "x")
    assert dataclasses.replace(cls(1), b="x") == cls(1, "x")
    with pytest.raises(TypeError):
        dataclasses.replace(cls(1), x=1)


def test_dataclasses_knows_the_fields(cls: Any) -> None:
    is_dataclass: Any = dataclasses.is_dataclass
    assert is_dataclass(cls)
    assert [(f.name, f.type, f.repr) for f in dataclasses.fields(cls)] == [
        ("a", "int", True),
        ("b", "str", True),
        ("c", "list[int]", True),
        ("d", "bytes", False),
    ]
    assert dataclasses.asdict(cls(1)) == {"a": 1, "b": "b", "c": [], "d": b""}
    assert dataclasses.astuple(cls(1)) == (1, "b", [], b"")
    assert cls.__dataclass_params__.frozen


def test_pydantic_reads_it(cls: Any) -> None:
    adapter = pydantic.TypeAdapter(cls)

    assert adapter.validate_json(b'{"a": 1, "c": [2]}') == cls(1, c=[2])
    with pytest.raises(pydantic.ValidationError):
        adapter.validate_json(b'{"a": "x"}')


# --- and these of ours alone ---------------------------------------------------------------------
def test_a_value_is_checked_once_it_is_made() -> None:
    assert Checked("3").a == 3
    with pytest.raises(ValueError, match="not positive"):
        Checked(0)


def test_an_object_that_may_change_has_identity() -> None:
    made = Changing(1)
    made.a = 2

    assert made.a == 2
    assert made != Changing(2)
    assert hash(made) != hash(Changing(2)) or made is not Changing(2)
    assert Changing(1).seen is not Changing(1).seen
    assert not Changing.__dataclass_params__.frozen  # type: ignore[attr-defined]  # as dataclasses has it
    with pytest.raises(AttributeError):
        made.new = 1  # type: ignore[attr-defined]  # that is the point


def test_a_class_without_fields_is_one_too() -> None:
    assert Empty() == Empty()
    assert repr(Empty()) == "Empty()"
    assert dataclasses.fields(Empty) == ()


def test_a_field_without_a_default_cannot_follow_one_with() -> None:
    with pytest.raises(TypeError, match=r"Wrong\.b has no default"):

        @frozen
        class Wrong:
            a: int = 1
            b: int  # type: ignore[misc]  # that is the point


def test_a_default_that_could_be_changed_is_refused() -> None:
    with pytest.raises(ValueError, match="use a factory"):

        @frozen
        class Wrong:
            a: list[int] = []  # noqa: RUF012 - that is the point


def test_fields_and_defaults_can_be_asked_for() -> None:
    missing = object()

    assert structs.is_struct(Struct)
    assert not structs.is_struct(int)
    assert structs.fields_of(Struct) == ("a", "b", "c", "d")
    assert structs.default_of(Struct, "a", missing) is missing
    assert structs.default_of(Struct, "b", missing) == "b"
    assert structs.default_of(Struct, "c", missing) == []
    assert structs.as_dict(Struct(1)) == {"a": 1, "b": "b", "c": [], "d": b""}


def test_marks_in_annotations_stay() -> None:
    @frozen
    class Marked:
        a: Annotated[str, AtMost(3)]

    assert Marked.__annotations__ == {"a": "Annotated[str, AtMost(3)]"}


def test_defining_and_using_a_class_does_not_import_dataclasses() -> None:
    code = (
        "import sys; from protocol.structs import frozen, field\n"
        "@frozen\nclass A:\n    a: int = 1\n"
        "assert A(2) == A(2) and hash(A()) and repr(A(1)) == 'A(a=1)'\n"
        "assert 'dataclasses' not in sys.modules and 'inspect' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
