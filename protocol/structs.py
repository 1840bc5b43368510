"""`frozen` and `mutable`: classes like those of `dataclasses`, at a tenth of the cost to define.

The standard library compiles six methods of a class when it is defined, which takes 0.5 ms, and its
module takes 11 ms to import. Some sixty such classes lie on the way of a one-shot command, forty on
that of its cell: 40 ms of 100. Here a class is given its slots at once, and its methods are
compiled when the first object is made.

Rule 1: to everybody else such a class is a dataclass. `dataclasses.fields`, `replace` and `asdict`,
        `match`, `copy`, pickle, pydantic and type checkers take it for one; a test holds it to
        what `dataclass(frozen=True, slots=True)` does.
Rule 2: what the standard library can do beyond that is not here: inherited fields, ordering,
        keyword-only or uninitialised fields, `super()` without arguments in a method.
Rule 3: this runs in CPython 3.13, 3.14 and in the guest.
"""

from __future__ import annotations

from collections.abc import Callable
from reprlib import recursive_repr
from typing import Any, NoReturn, dataclass_transform

_MISSING: Any = object()


class _Field:
    """What `field` says of one field, until its class is made."""

    __slots__ = ("default", "default_factory", "repr")

    def __init__(self, default: Any, default_factory: Any, repr: bool) -> None:  # noqa: A002 - the word of `dataclasses`
        self.default = default
        self.default_factory = default_factory
        self.repr = repr


def field(
    *,
    default: Any = _MISSING,
    default_factory: Callable[[], Any] = _MISSING,
    repr: bool = True,  # noqa: A002 - the word of `dataclasses`
) -> Any:
    """Describe a field, as `dataclasses.field` does."""
    return _Field(default, default_factory, repr)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen[T](cls: type[T]) -> type[T]:
    """Make a class of values: compared, hashed and shown by its fields, never changed."""
    return _make(cls, _FROZEN_METHODS)


@dataclass_transform(eq_default=False, field_specifiers=(field,))
def mutable[T](cls: type[T]) -> type[T]:
    """Make a class of objects with identity: fields may be changed, and are not compared."""
    return _make(cls, _MUTABLE_METHODS)


def is_struct(cls: type) -> bool:
    """Return whether a class was made here."""
    return hasattr(cls, "__struct_defaults__")


def fields_of(cls: type) -> tuple[str, ...]:
    """Return the names of the fields of a class made here, in order."""
    names: tuple[str, ...] = cls.__match_args__  # type: ignore[attr-defined]  # `_make` sets it
    return names


def default_of(cls: type, name: str, missing: object) -> object:
    """Return the default of a field, made anew where it has a factory; `missing` if it has none."""
    described: _Field | None = cls.__struct_defaults__.get(name)  # type: ignore[attr-defined]  # `_make` sets it
    if described is None:
        return missing
    if described.default_factory is _MISSING:
        return described.default
    return described.default_factory()


def as_dict(value: object) -> dict[str, object]:
    """Return the fields of an object by name; what they hold is not taken apart."""
    return {name: getattr(value, name) for name in fields_of(type(value))}


def _make[T](cls: type[T], methods: dict[str, Any]) -> type[T]:
    body = dict(cls.__dict__)
    annotations = dict(cls.__annotations__)
    names = tuple(annotations)
    defaults: dict[str, _Field] = {}
    for name in names:
        if name in body:
            given = body.pop(name)
            described = given if type(given) is _Field else _Field(given, _MISSING, True)
            if described.default is _MISSING and described.default_factory is _MISSING:
                continue
            if described.default.__class__.__hash__ is None:
                raise ValueError(f"{cls.__name__}.{name} would share its default; use a factory")
            defaults[name] = described
        elif defaults:
            raise TypeError(f"{cls.__name__}.{name} has no default and follows a field that has")
    for name in ("__dict__", "__weakref__"):
        body.pop(name, None)
    given_methods = {name: method for name, method in methods.items() if name not in body}
    body |= given_methods
    body["__slots__"] = names
    body["__match_args__"] = names
    body["__annotations__"] = annotations
    body["__struct_defaults__"] = defaults
    for name in ("__dataclass_fields__", "__dataclass_params__"):
        body[name] = _ForDataclasses(name)
    made: Any = type(cls)
    return made(cls.__name__, cls.__bases__, body)  # type: ignore[no-any-return]  # it is a type[T]


def _owner(cls: type) -> type:
    """Return the class of ours that `cls` is or inherits from."""
    return next(c for c in cls.__mro__ if "__struct_defaults__" in c.__dict__)


# --- methods -------------------------------------------------------------------------------------
def _first_init(self: Any, *args: Any, **kwargs: Any) -> None:
    """Compile the class's `__init__`, put it in the place of this one, and call it."""
    cls = _owner(type(self))
    cls.__init__ = init = _compile_init(cls)  # type: ignore[misc]  # that is the point
    init(self, *args, **kwargs)


def _compile_init(cls: Any) -> Callable[..., None]:
    names, defaults = cls.__match_args__, cls.__struct_defaults__
    scope: dict[str, Any] = {"_set": object.__setattr__, "_missing": _MISSING}
    parameters, lines = ["self"], []
    is_frozen = cls.__setattr__ is _refuse_set
    for name in names:
        described = defaults.get(name)
        value = name
        if described is None:
            parameters.append(name)
        elif described.default_factory is _MISSING:
            scope[f"_default_{name}"] = described.default
            parameters.append(f"{name}=_default_{name}")
        else:
            scope[f"_make_{name}"] = described.default_factory
            parameters.append(f"{name}=_missing")
            value = f"_make_{name}() if {name} is _missing else {name}"
        lines.append(f"_set(self, {name!r}, {value})" if is_frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "\n    ".join(lines or ["pass"])
    # The text is made of field names alone, which Python has checked to be identifiers.
    exec(f"def __init__({', '.join(parameters)}):\n    {body}\n", scope)  # noqa: S102 - as above
    init: Callable[..., None] = scope["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__module__ = cls.__module__
    return init


def _values(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in self.__match_args__])


def _eq(self: Any, other: object) -> Any:
    if self is other:
        return True
    if other.__class__ is not self.__class__:
        return NotImplemented
    return _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(_values(self))


@recursive_repr()
def _repr(self: Any) -> str:
    defaults = self.__struct_defaults__
    shown = ", ".join(
        f"{name}={getattr(self, name)!r}"
        for name in self.__match_args__
        if name not in defaults or defaults[name].repr
    )
    return f"{self.__class__.__qualname__}({shown})"


def _refuse_set(self: object, name: str, value: object) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: object, name: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _replace(self: Any, /, **changes: Any) -> Any:
    return self.__class__(**dict(zip(self.__match_args__, _values(self), strict=True)) | changes)


def _get_state(self: Any) -> list[Any]:
    return list(_values(self))


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__match_args__, state, strict=True):
        object.__setattr__(self, name, value)


_MUTABLE_METHODS: dict[str, Any] = {
    "__init__": _first_init,
    "__repr__": _repr,
    "__replace__": _replace,
    "__getstate__": _get_state,
    "__setstate__": _set_state,
}
_FROZEN_METHODS: dict[str, Any] = _MUTABLE_METHODS | {
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _refuse_set,
    "__delattr__": _refuse_delete,
}


class _ForDataclasses:
    """One attribute that `dataclasses` keeps in a class; made when somebody asks for it."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, cls: type) -> Any:
        owner: Any = _owner(cls)
        twin = _twin(owner)
        owner.__dataclass_fields__ = twin.__dataclass_fields__
        owner.__dataclass_params__ = twin.__dataclass_params__
        return getattr(twin, self._name)


def _twin(owner: Any) -> Any:
    """Return a dataclass of the standard library's with the same fields."""
    import dataclasses

    specs = []
    for name, kind in owner.__annotations__.items():
        options: dict[str, Any] = {}
        if described := owner.__struct_defaults__.get(name):
            options["repr"] = described.repr
            if described.default_factory is _MISSING:
                options["default"] = described.default
            else:
                options["default_factory"] = described.default_factory
        specs.append((name, kind, dataclasses.field(**options)))
    is_frozen = owner.__setattr__ is _refuse_set
    return dataclasses.make_dataclass(owner.__name__, specs, frozen=is_frozen, eq=is_frozen)
