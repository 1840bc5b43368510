"""Sharing, cycles and data of classes: what a value is beyond its parts."""

from __future__ import annotations

import copy
import dataclasses
import enum
import pathlib
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from protocol.values import Member, Record, class_name_of, encode

type Cross = Callable[..., Any]
type Same = Callable[[Any, Any], bool]


@dataclasses.dataclass(eq=False)
class Node:
    name: str
    linked: object = None


@dataclasses.dataclass
class Point:
    x: int
    y: object = None


@dataclasses.dataclass(frozen=True)
class Key:
    x: int
    y: object = None


@dataclasses.dataclass
class Checked:
    low: int
    total: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        if self.low < 0:
            raise ValueError("low must not be negative\n")
        self.total = self.low * 2


class Color(enum.Enum):
    RED = "r"
    ROUGE = "r"  # noqa: PIE796 - another name of the same member


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Level(enum.IntEnum):
    HIGH = 2


# --- sharing and cycles --------------------------------------------------------------------------
def test_what_was_one_object_stays_one_object(crossed: Cross) -> None:
    inner: list[int] = [1]
    table = {"a": inner, "b": (inner, [inner])}

    arrived = crossed(table)

    arrived["a"].append(2)
    assert arrived == {"a": [1, 2], "b": ([1, 2], [[1, 2]])}


def test_two_equal_objects_stay_two(crossed: Cross) -> None:
    arrived = crossed([[1], [1]])

    assert arrived[0] is not arrived[1]


def test_a_list_a_dict_and_a_tuple_may_contain_themselves(crossed: Cross) -> None:
    alone: list[Any] = []
    alone.append(alone)
    assert (arrived := crossed(alone))[0] is arrived

    table: dict[str, Any] = {}
    table["self"] = [table]
    assert (arrived := crossed(table))["self"][0] is arrived

    held: tuple[list[Any]] = ([],)
    held[0].append(held)
    assert (arrived := crossed(held))[0][0] is arrived


def test_a_cycle_may_lead_through_sets_keys_and_dataclasses(crossed: Cross) -> None:
    node = Node("a")
    node.linked = {node, Node("b")}
    by_node: dict[Any, Any] = {node: [node], (1, node): None}
    by_node["self"] = by_node

    arrived = crossed(by_node)

    (record,) = [key for key in arrived if isinstance(key, Record)]
    assert record in record.linked  # type: ignore[operator]  # a set of records
    assert arrived[record][0] is record
    assert (1, record) in arrived
    assert arrived["self"] is arrived


# --- data of classes -----------------------------------------------------------------------------
def test_a_dataclass_arrives_as_a_record_with_its_fields_as_attributes(crossed: Cross) -> None:
    arrived = crossed(Point(1, [Point(2)]))

    assert (arrived.x, arrived.y[0].x, arrived.y[0].y) == (1, 2, None)
    assert repr(arrived) == "Point(x=1, y=[Point(x=2, y=None)])"
    assert dir(arrived) == ["x", "y"]
    with pytest.raises(AttributeError, match="no field 'z'"):
        _ = arrived.z
    with pytest.raises(AttributeError):
        arrived.x = 2
    with pytest.raises(AttributeError):
        del arrived.x


def test_a_record_compares_as_its_class_does(crossed: Cross) -> None:
    assert crossed(Point(1)) == crossed(Point(1)) != crossed(Point(2))
    assert crossed(Point(1)) != crossed(Key(1))
    with pytest.raises(TypeError):
        hash(crossed(Point(1)))
    assert hash(crossed(Key(1))) == hash(crossed(Key(1)))
    assert crossed(Node("a")) != crossed(Node("a"))
    assert crossed({Key(1, (2,)): 3})[crossed(Key(1, (2,)))] == 3


def test_a_record_can_be_copied_and_pickled_with_its_cycles(crossed: Cross) -> None:
    looped = Point(1, [])
    looped.y.append(looped)  # type: ignore[attr-defined]  # a list
    ways: list[Callable[[Any], Any]] = [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
    for again in ways:
        assert again(crossed(Key(1, (2,)))) == crossed(Key(1, (2,)))
        arrived = again(crossed(looped))
        assert arrived.y[0] is arrived
        assert repr(arrived) == "Point(x=1, y=[...])"


def test_a_record_can_be_sent_on(crossed: Cross) -> None:
    for value in (Point(1, [2]), Key(1), {Key(1): 2}):
        assert crossed(crossed(value)) == crossed(value)
        assert encode(crossed(value)).body == encode(value).body


def test_a_decoder_that_has_the_class_makes_an_instance_by_calling_it(crossed: Cross) -> None:
    classes = {class_name_of(cls): cls for cls in (Point, Key, Checked, Color)}

    assert crossed([Point(1), Key(2), Color.RED], classes=classes) == [Point(1), Key(2), Color.RED]
    assert crossed({Key(1): Point(2)}, classes=classes) == {Key(1): Point(2)}
    assert crossed(Checked(4), classes=classes).total == 8


def test_an_enum_member_arrives_by_name(crossed: Cross) -> None:
    assert crossed(Color.ROUGE) == Member(class_name_of(Color), "RED")
    assert crossed([Level.HIGH, {Mode.READ: 1}]) == [
        Member(class_name_of(Level), "HIGH"),
        {Member(class_name_of(Mode), "READ"): 1},
    ]


def test_a_path_arrives_as_the_pure_path_of_its_system(crossed: Cross) -> None:
    arrived = crossed([pathlib.Path("a/b"), pathlib.PureWindowsPath("C:\\x")])

    assert list(map(type, arrived)) == [pathlib.PurePosixPath, pathlib.PureWindowsPath]
    assert arrived == [pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("C:\\x")]
