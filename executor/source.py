"""A plain function as source text that runs on its own somewhere else.

Rule 1: a function is refused where it is defined, not where it is called, if it needs something
        that does not go with it: a closure, a global, a name in a default.
Rule 2: its lines keep their numbers, so that a guest's traceback points into the user's own file.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import os
import types
from collections.abc import Callable, Iterator
from typing import Any

from executor.errors import Misuse
from protocol.structs import frozen


@frozen
class Source:
    """A function ready to be shipped.

    Args:
        name: what the text binds it to.
        text: source that defines it, its lines where they are in the file.
        filename: the last part of the file's name.
    """

    name: str
    text: str
    filename: str


def source_of(function: Callable[..., Any]) -> Source:
    """Return the source of a plain function, without its decorators.

    Raises:
        Misuse: it cannot stand alone; the text says why and what to change.
    """
    label = f"sandboxed({getattr(function, '__qualname__', function)!s})"
    if not isinstance(function, types.FunctionType):
        raise Misuse(label, "must be a plain function written with def")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise Misuse(label, "is async; a guest is synchronous, await the call of it instead")
    if inspect.isgeneratorfunction(function):
        raise Misuse(label, "is a generator, which cannot cross; return a list")
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        raise Misuse(label, "its source is not to be found; define it in a file") from None
    node, indented = _parsed(lines, label)
    _check_names(function, node, label)
    kept = lines[node.lineno - 1 - indented :]
    skipped = first - 1 + node.lineno - 1 - indented
    # A block of its own takes indented lines as they are: dedenting would change strings that span
    # lines.
    padding = "\n" * (skipped - 1) + "if True:\n" if indented else "\n" * skipped
    filename = os.path.basename(function.__code__.co_filename)
    return Source(function.__name__, padding + "".join(kept), filename or "function.py")


def _parsed(lines: list[str], label: str) -> tuple[ast.FunctionDef, int]:
    """Return the definition, and 1 if it is indented, as line numbers are then one too high."""
    text = "".join(lines)
    indented = int(text[:1].isspace())
    try:
        tree = ast.parse("if True:\n" + text if indented else text)
    except SyntaxError:
        raise Misuse(
            label, "its source cannot be cut out; put it in statements of its own"
        ) from None
    body = tree.body[0].body if isinstance(tree.body[0], ast.If) else tree.body
    node = body[0] if body else None
    if not isinstance(node, ast.FunctionDef):
        raise Misuse(label, "must be a plain function written with def, not a lambda")
    return node, indented


def _check_names(function: types.FunctionType, node: ast.FunctionDef, label: str) -> None:
    free = [name for name in function.__code__.co_freevars if name != function.__name__]
    if free:
        problem = f"closes over {free[0]!r} of the function round it; pass it as an argument"
        raise Misuse(label, problem)
    if function.__code__.co_freevars:
        raise Misuse(label, "calls itself through a closure; define it at the top of its module")
    for name in _global_names(function.__code__):
        if name in (function.__name__, "__name__") or hasattr(builtins, name):
            continue
        found = function.__globals__.get(name, _MISSING)
        if isinstance(found, types.ModuleType):
            fix = f"import it inside the function: import {found.__name__}"
            if found.__name__ != name:
                fix += f" as {name}"
        elif found is _MISSING:
            fix = "there is no such name; import or define it inside the function"
        else:
            fix = "pass it as an argument, or define it inside the function"
        raise Misuse(label, f"needs the global {name!r}, which is not in the sandbox; {fix}")
    defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
    for default in defaults:
        for part in ast.walk(default):
            if isinstance(part, ast.Name) and not hasattr(builtins, part.id):
                problem = f"a default needs the global {part.id!r}; use a plain value, or None"
                raise Misuse(label, problem)


_MISSING = object()


def _global_names(code: types.CodeType) -> Iterator[str]:
    """Yield the names that code, and code inside it, takes from its globals, in order."""
    import dis

    instructions = list(dis.get_instructions(code))
    bound = {i.argval for i in instructions if i.opname in ("STORE_GLOBAL", "STORE_NAME")}
    for instruction in instructions:
        # LOAD_NAME is that of a class body; what the body binds itself is not a global.
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME") and instruction.argval not in bound:
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)
