"""Source to code, and the value of a last expression.

A cell is compiled once: its last expression becomes an assignment to a name that no source can
spell, so the text, the lines and the columns of a traceback stay those of the source.
"""

from __future__ import annotations

import _ast as ast  # its classes alone: `ast` takes 4 ms to import, `inspect` as much again
from types import CodeType
from typing import Any, Final

#: Holds the value of a cell's last expression. Not an identifier, so no guest uses it by accident.
VALUE: Final = "<value>"
#: `inspect.CO_COROUTINE`.
_COROUTINE: Final = 0x80
_ONLY_AST: Final = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def compile_script(source: str, filename: str) -> CodeType:
    """Return the code of a whole script.

    Raises:
        SyntaxError, ValueError, MemoryError, RecursionError: as `compile` does.
    """
    return compile(source, filename, "exec", dont_inherit=True, optimize=0)


def compile_cell(source: str, filename: str) -> CodeType:
    """Return code that leaves the value of a last expression, if there is one, in `VALUE`.

    `await` is allowed outside functions; such code has to be run by `run_code`.

    Raises:
        SyntaxError, ValueError, MemoryError, RecursionError: as `compile` does.
    """
    try:
        # Most cells of a tool loop are one expression, and this is a third of the way below.
        alone: CodeType = compile(
            source, filename, "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True, optimize=0
        )
    except SyntaxError:
        pass
    else:
        return alone
    tree = compile(source, filename, "exec", _ONLY_AST, dont_inherit=True, optimize=0)
    if tree.body and type(last := tree.body[-1]) is ast.Expr:
        name = ast.Name(
            VALUE,
            ast.Store(),
            lineno=last.lineno,
            col_offset=last.col_offset,
            end_lineno=last.end_lineno,
            end_col_offset=last.end_col_offset,
        )
        tree.body[-1] = ast.Assign(
            [name],
            last.value,
            lineno=last.lineno,
            col_offset=last.col_offset,
            end_lineno=last.end_lineno,
            end_col_offset=last.end_col_offset,
        )
    code: CodeType = compile(
        tree, filename, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True, optimize=0
    )
    return code


def run_code(code: CodeType, namespace: dict[str, Any]) -> None:
    """Run `code` in `namespace`; code that awaits gets an event loop."""
    value = eval(code, namespace)  # noqa: S307 - the guest's own code is what we are here to run
    if code.co_flags & _COROUTINE:
        import asyncio

        value = asyncio.run(value)
    if value is not None:  # of an expression alone; statements leave it themselves
        namespace[VALUE] = value
