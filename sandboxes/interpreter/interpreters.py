"""The calls of CPython behind a sandbox: create, execute, look for threads, interrupt, destroy.

Rule 1: only the main interpreter calls these, from any of its threads.
Rule 2: an interpreter in which a thread is left is never destroyed: CPython would abort the
        process. That is read from here, where a guest's Python code cannot touch it.
Rule 3: `datetime` is imported by the main interpreter before the first one is created; without
        that, destroying one in which it is in use crashes the process (CPython issue 136423).
Source: PEP 684 and 734; Include/cpython/pystate.h; Python/ceval_gil.c for pending calls.
"""

from __future__ import annotations

import _interpreters
import ctypes
import datetime as datetime
from typing import Any, Final

from sandboxes.errors import SandboxBroken

_api: Final = ctypes.pythonapi


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(_api, name)
    function.restype, function.argtypes = result, list(arguments)
    return function


_state = ctypes.c_void_p
#: Holds the lock of CPython's list, which others may change at that moment.
_find = _function("_PyInterpreterState_LookUpID", _state, ctypes.c_int64)
_first_thread = _function("PyInterpreterState_ThreadHead", _state, _state)
#: Not part of the public interface, so it may be missing; then guests are not interrupted, and the
#: kill of the cell is what ends them.
_add_pending: Final = (
    _function(
        "_PyEval_AddPendingCall",
        ctypes.c_int,
        _state,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int,
    )
    if hasattr(_api, "_PyEval_AddPendingCall")
    else None
)
_run_text: Final = ctypes.cast(_api.PyRun_SimpleString, ctypes.c_void_p).value


class Interpreter:
    """One interpreter with its own modules, globals and lock."""

    __slots__ = ("_asked", "_id", "_state")

    def __init__(self) -> None:
        """Create it: about 4 ms.

        Raises:
            SandboxBroken: CPython cannot.
        """
        try:
            self._id: int = _interpreters.create()
        except Exception as error:
            raise SandboxBroken(f"no interpreter could be created: {error}") from error
        self._state: int = _find(self._id)
        #: Kept, as CPython holds their addresses until it has run them.
        self._asked: list[ctypes.Array[ctypes.c_char]] = []

    def execute(self, code: str, **names: object) -> str:
        """Run `code` in it, on the calling thread; return "", or what it raised as text.

        Args:
            code: what to run, in its `__main__`.
            names: what that is to have by these names; copied.
        """
        try:
            raised = _interpreters.exec(self._id, code, names)
        except Exception as error:  # noqa: BLE001 - of CPython itself: it could not enter
            return f"{type(error).__name__}: {error}"
        return "" if raised is None else str(raised.formatted)

    def has_threads(self) -> bool:
        """Return whether a thread is in it: False while nothing is executed and none was left."""
        return bool(_first_thread(self._state))

    def ask(self, code: bytes) -> bool:
        """Have `code` run in it between two steps of what it executes. Any thread; does not wait.

        What `code` raises is lost. A guest in a call of C gets to it when the call returns.

        Returns:
            False if this Python cannot, or it was asked too often.
        """
        if _add_pending is None:
            return False
        text = ctypes.create_string_buffer(code)
        self._asked.append(text)
        return bool(_add_pending(self._state, _run_text, ctypes.addressof(text), 0) == 0)

    def destroy(self) -> None:
        """End it; runs what its modules left to be run at the end, however long that takes.

        Raises:
            SandboxBroken: a thread is left in it, see rule 2, or CPython cannot.
        """
        if self.has_threads():
            raise SandboxBroken("a thread is left in an interpreter")
        try:
            _interpreters.destroy(self._id)
        except Exception as error:
            raise SandboxBroken(f"an interpreter could not be destroyed: {error}") from error
