"""The wasmtime C API, as much of it as is used here, called through ctypes.

The shared library of the `wasmtime` distribution is loaded without importing its Python package:
that import takes ten times as long as all of this file.

Rule 1: pointers are plain ints (`None` for null); who owns what is written beside each function.
Rule 2: functions that only read or set a word keep the GIL, which saves a microsecond or two; all
        that may take long, run a guest or call back into Python release it.
Rule 3: nothing here decides anything. Another release of the library is used only if what the
        package of that release declares is what is written here; see `sandboxes.wasm.declared`.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable
from ctypes import CFUNCTYPE, PYFUNCTYPE, Structure, Union, byref, string_at
from typing import TYPE_CHECKING, Any, ClassVar, Final

from sandboxes.errors import ImageError, SandboxBroken

#: Releases of wasmtime whose layouts these are; the first number of its version.
MAJOR: Final = 50

_LIBRARY_NAMES = {
    "linux": "_libwasmtime.so",
    "darwin": "_libwasmtime.dylib",
    "win32": "_wasmtime.dll",
}
_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}

_bool, _byte, _i64 = ctypes.c_bool, ctypes.c_uint8, ctypes.c_int64
_u64, _size, _ssize, _int = ctypes.c_uint64, ctypes.c_size_t, ctypes.c_ssize_t, ctypes.c_int
_ptr, _text = ctypes.c_void_p, ctypes.c_char_p


# --- layouts -------------------------------------------------------------------------------------
class ByteVec(Structure):
    """`wasm_byte_vec_t`: bytes with their length, owned by whoever holds the struct."""

    _fields_: ClassVar[Any] = [("size", _size), ("data", _ptr)]
    size: int
    data: int | None


class _ValResult(Structure):
    _fields_: ClassVar[Any] = [("is_ok", _bool), ("val", _ptr)]
    is_ok: bool
    val: int | None


class _ValUnion(Union):
    # A variant is the largest member: a name and a pointer.
    _fields_: ClassVar[Any] = [
        ("u8", _byte),
        ("u32", ctypes.c_uint32),
        ("string", ByteVec),
        ("result", _ValResult),
        ("_largest", _size * 3),
    ]
    u8: int
    u32: int
    string: ByteVec
    result: _ValResult


class Val(Structure):
    """`wasmtime_component_val_t`: one argument or result of a component's function."""

    _fields_: ClassVar[Any] = [("kind", _byte), ("of", _ValUnion)]
    kind: int
    of: _ValUnion


VAL_STRING: Final = 12
VAL_RESULT: Final = 19


class ComponentInstance(Structure):
    """`wasmtime_component_instance_t`: a handle that lives as long as its store."""

    _fields_: ClassVar[Any] = [("store_id", _u64), ("index", ctypes.c_uint32)]


class ComponentFunc(Structure):
    """`wasmtime_component_func_t`: a handle that lives as long as its store."""

    _fields_: ClassVar[Any] = [
        ("store_id", _u64),
        ("index", ctypes.c_uint32),
        ("_pad", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("export", _ptr),
    ]


class CoreInstance(Structure):
    """`wasmtime_instance_t`: a handle that lives as long as its store."""

    _fields_: ClassVar[Any] = [("store_id", _u64), ("index", _size)]


class _ExternUnion(Union):
    # Function handle and memory handle are read in place; a memory is the largest.
    _fields_: ClassVar[Any] = [("func", _u64 * 2), ("memory", _u64 * 3)]


class Extern(Structure):
    """`wasmtime_extern_t`: an export of a core instance."""

    _fields_: ClassVar[Any] = [("kind", _byte), ("of", _ExternUnion)]
    kind: int
    of: _ExternUnion


EXTERN_FUNC: Final = 0
EXTERN_MEMORY: Final = 3

#: Code of a `wasm_trap_t` that names why a guest was stopped.
TRAP_STACK_OVERFLOW: Final = 0
TRAP_UNREACHABLE: Final = 9
TRAP_INTERRUPT: Final = 10
TRAP_OUT_OF_FUEL: Final = 11

#: A host function of a component: data, context, type, args, count, results, count -> error.
HostFunction = CFUNCTYPE(_size, _ptr, _ptr, _ptr, _ptr, _size, _ptr, _size)
#: A stream that takes what a guest writes: data, bytes, count -> bytes taken, or -errno.
StreamFunction = CFUNCTYPE(_ssize, _ptr, _ptr, _size)


# --- where it is ---------------------------------------------------------------------------------
def library_path(
    search: Iterable[str] | None = None, *, platform: str = sys.platform, machine: str = ""
) -> str:
    """Return the path of wasmtime's shared library.

    Args:
        search: directories that may hold the package; `sys.path` where it is absent.
        platform: as `sys.platform`.
        machine: as `platform.machine()`; that of this computer where it is absent.

    Raises:
        ImageError: no such package is there for this platform, or it is not release `MAJOR`.
    """
    name = _LIBRARY_NAMES.get(platform)
    if name is None:
        raise ImageError(f"wasmtime has no library for {platform}")
    machine = (machine or _machine()).lower()
    folder = f"{platform}-{_MACHINES.get(machine, machine)}"
    for place in sys.path if search is None else search:
        path = os.path.join(place, "wasmtime", folder, name)
        if os.path.exists(path):
            _check_version(place)
            return path
    raise ImageError(
        f"wasmtime is not installed for {folder}: pip install 'wasmtime>={MAJOR},<{MAJOR + 1}'"
    )


def _machine() -> str:
    if hasattr(os, "uname"):
        return os.uname().machine
    return os.environ.get("PROCESSOR_ARCHITECTURE", "")


def _check_version(place: str) -> None:
    """Refuse a release whose layouts differ. The library itself does not tell its own version."""
    found = [
        entry[len("wasmtime-") : -len(".dist-info")]
        for entry in os.listdir(place)
        if entry.startswith("wasmtime-") and entry.endswith(".dist-info")
    ]
    if not found or any(version.split(".", 1)[0] != str(MAJOR) for version in found):
        what = " and ".join(sorted(found)) or "of an unknown version"
        problem: str | None = "there is more than one"
        if len(found) == 1:
            from sandboxes.wasm import declared

            problem = declared.difference(place)
        if problem is not None:
            needs = f"this needs {MAJOR}.x"
            raise ImageError(f"wasmtime {what} is installed, and {needs}: {problem}")


# --- functions: our name, the name in C, its result, its arguments -------------------------------
#: A few instructions each: called with the GIL held.
_QUICK: Final = (
    ("config_new", "wasm_config_new", _ptr),
    ("error_message", "wasmtime_error_message", None, _ptr, _ptr),  # fills a ByteVec that we own
    ("error_exit_status", "wasmtime_error_exit_status", _bool, _ptr, _ptr),
    ("error_new", "wasmtime_error_new", _ptr, _text),
    ("trap_code", "wasmtime_trap_code", _bool, _ptr, _ptr),
    ("trap_message", "wasm_trap_message", None, _ptr, _ptr),  # fills a ByteVec that we own
    ("bytes_new", "wasm_byte_vec_new", None, _ptr, _size, _text),  # copies
    ("bytes_delete", "wasm_byte_vec_delete", None, _ptr),
    ("val_delete", "wasmtime_component_val_delete", None, _ptr),  # what it holds, not the struct
    ("engine_increment_epoch", "wasmtime_engine_increment_epoch", None, _ptr),
    ("store_context", "wasmtime_store_context", _ptr, _ptr),  # borrowed from the store
    ("store_limiter", "wasmtime_store_limiter", None, _ptr, _i64, _i64, _i64, _i64, _i64),
    ("context_data", "wasmtime_context_get_data", _ptr, _ptr),
    ("set_deadline", "wasmtime_context_set_epoch_deadline", None, _ptr, _u64),
    ("set_fuel", "wasmtime_context_set_fuel", _ptr, _ptr, _u64),
    ("get_fuel", "wasmtime_context_get_fuel", _ptr, _ptr, _ptr),
    ("memory_size", "wasmtime_memory_data_size", _size, _ptr, _ptr),
    ("memory_data", "wasmtime_memory_data", _ptr, _ptr, _ptr),  # borrowed until it grows
    ("instance_export", "wasmtime_instance_export_get", _bool, _ptr, _ptr, _text, _size, _ptr),
    ("instance_nth", "wasmtime_instance_export_nth", _bool, _ptr, _ptr, _size, _ptr, _ptr, _ptr),
    ("instance_func", "wasmtime_component_instance_get_func", _bool, _ptr, _ptr, _ptr, _ptr),
)
#: These may take long, run a guest, or call back: the GIL is released.
_CALLS: Final = (
    ("config_delete", "wasm_config_delete", None, _ptr),
    ("engine_new", "wasm_engine_new_with_config", _ptr, _ptr),  # takes the config
    ("engine_delete", "wasm_engine_delete", None, _ptr),
    ("error_delete", "wasmtime_error_delete", None, _ptr),
    ("trap_delete", "wasm_trap_delete", None, _ptr),
    ("store_new", "wasmtime_store_new", _ptr, _ptr, _ptr, _ptr),
    ("store_delete", "wasmtime_store_delete", None, _ptr),
    ("set_wasi", "wasmtime_context_set_wasi", _ptr, _ptr, _ptr),  # takes the wasi config
    # WASI
    ("wasi_new", "wasi_config_new", _ptr),
    ("wasi_delete", "wasi_config_delete", None, _ptr),
    ("wasi_argv", "wasi_config_set_argv", _bool, _ptr, _size, _ptr),
    ("wasi_env", "wasi_config_set_env", _bool, _ptr, _size, _ptr, _ptr),
    ("wasi_stdin", "wasi_config_set_stdin_bytes", None, _ptr, _ptr),  # takes the ByteVec's bytes
    ("wasi_stdout", "wasi_config_set_stdout_custom", None, _ptr, StreamFunction, _ptr, _ptr),
    ("wasi_stderr", "wasi_config_set_stderr_custom", None, _ptr, StreamFunction, _ptr, _ptr),
    ("wasi_preopen", "wasi_config_preopen_dir", _bool, _ptr, _text, _text, _bool),
    # components
    ("component_new", "wasmtime_component_new", _ptr, _ptr, _text, _size, _ptr),
    ("component_serialize", "wasmtime_component_serialize", _ptr, _ptr, _ptr),
    ("component_load", "wasmtime_component_deserialize_file", _ptr, _ptr, _text, _ptr),
    ("component_delete", "wasmtime_component_delete", None, _ptr),
    ("export_index", "wasmtime_component_get_export_index", _ptr, _ptr, _ptr, _text, _size),
    ("export_index_delete", "wasmtime_component_export_index_delete", None, _ptr),
    ("linker_new", "wasmtime_component_linker_new", _ptr, _ptr),
    ("linker_delete", "wasmtime_component_linker_delete", None, _ptr),
    ("linker_root", "wasmtime_component_linker_root", _ptr, _ptr),
    ("linker_wasi", "wasmtime_component_linker_add_wasip2", _ptr, _ptr),
    ("linker_func", "wasmtime_component_linker_instance_add_func", _ptr, _ptr, _text, _size,
     HostFunction, _ptr, _ptr),
    ("linker_root_delete", "wasmtime_component_linker_instance_delete", None, _ptr),
    ("linker_instantiate", "wasmtime_component_linker_instantiate", _ptr, _ptr, _ptr, _ptr, _ptr),
    ("func_call", "wasmtime_component_func_call", _ptr, _ptr, _ptr, _ptr, _size, _ptr, _size),
    # core modules
    ("module_new", "wasmtime_module_new", _ptr, _ptr, _text, _size, _ptr),
    ("module_serialize", "wasmtime_module_serialize", _ptr, _ptr, _ptr),
    ("module_load", "wasmtime_module_deserialize_file", _ptr, _ptr, _text, _ptr),
    ("module_delete", "wasmtime_module_delete", None, _ptr),
    ("core_linker_new", "wasmtime_linker_new", _ptr, _ptr),
    ("core_linker_delete", "wasmtime_linker_delete", None, _ptr),
    ("core_linker_wasi", "wasmtime_linker_define_wasi", _ptr, _ptr),
    ("core_linker_pre", "wasmtime_linker_instantiate_pre", _ptr, _ptr, _ptr, _ptr),
    ("pre_delete", "wasmtime_instance_pre_delete", None, _ptr),
    ("pre_instantiate", "wasmtime_instance_pre_instantiate", _ptr, _ptr, _ptr, _ptr, _ptr),
    ("core_func_call", "wasmtime_func_call", _ptr, _ptr, _ptr, _ptr, _size, _ptr, _size, _ptr),
)  # fmt: skip


class Library:
    """One loaded library; each function of the tables above is an attribute. Made by `load`."""

    def __init__(self, path: str) -> None:
        """Load the library at `path`, which `library_path` gave."""
        self.path = path
        try:
            self.dll = ctypes.CDLL(path)
        except OSError as error:
            raise ImageError(f"wasmtime's library cannot be loaded: {error}") from None
        for make, table in ((PYFUNCTYPE, _QUICK), (CFUNCTYPE, _CALLS)):
            for ours, name, result, *arguments in table:
                try:
                    function = make(result, *arguments)((name, self.dll))
                except AttributeError:
                    raise ImageError(f"wasmtime {MAJOR}.x has no function {name}") from None
                setattr(self, ours, function)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any]: ...

    def setter(self, name: str, kind: Any) -> Callable[[int, Any], None]:
        """Return the function that sets the engine's setting `name`.

        Raises:
            ImageError: this release has no such setting.
        """
        try:
            function = PYFUNCTYPE(None, _ptr, kind)((f"wasmtime_config_{name}_set", self.dll))
        except AttributeError:
            raise ImageError(f"wasmtime {MAJOR}.x has no setting {name}") from None
        return function

    def take_bytes(self, vec: ByteVec) -> bytes:
        """Return the bytes of `vec` and free them."""
        data = string_at(vec.data, vec.size) if vec.data else b""
        self.bytes_delete(byref(vec))
        return data

    def take_error(self, error: int) -> Fault:
        """Turn a `wasmtime_error_t` into data, and free it."""
        status = _int()
        exited = bool(self.error_exit_status(error, byref(status)))
        message = ByteVec()
        self.error_message(error, byref(message))
        text = self.take_bytes(message).decode("utf-8", "replace")
        self.error_delete(error)
        return Fault(text, status.value if exited else None)

    def take_trap(self, trap: int) -> Fault:
        """Turn a `wasm_trap_t` into data, and free it."""
        code = _byte()
        known = bool(self.trap_code(trap, byref(code)))
        message = ByteVec()
        self.trap_message(trap, byref(message))
        text = self.take_bytes(message).decode("utf-8", "replace").rstrip("\0")
        self.trap_delete(trap)
        return Fault(text, None, code.value if known else None)

    def check(self, error: int | None, what: str) -> None:
        """Raise if `error` is one; `what` says what was being done.

        Raises:
            SandboxBroken: with wasmtime's own words.
        """
        if error:
            raise SandboxBroken(f"{what}: {self.take_error(error).cause}")


class Fault:
    """Why a call into wasmtime failed: a trap, an exit, or an error of the library."""

    __slots__ = ("exit_code", "text", "trap")

    def __init__(self, text: str, exit_code: int | None = None, trap: int | None = None) -> None:
        """Keep wasmtime's words, the guest's exit code and the trap's, where there are such."""
        self.text = text
        self.exit_code = exit_code
        self.trap = trap

    @property
    def cause(self) -> str:
        """The innermost cause. A guest chooses names in the backtrace above it, never this line."""
        return self.text.rstrip().rsplit("\n", 1)[-1].strip()


_loaded: dict[str, Library] = {}


def load(path: str | None = None) -> Library:
    """Return the library, loaded once in a process.

    Args:
        path: where it is; `library_path()` where it is absent.

    Raises:
        ImageError: there is none for this platform, or its release is not known here.
    """
    key = path or ""  # a jailed cell has no files to look for it in
    if key not in _loaded:
        _loaded[key] = Library(path or library_path())
    return _loaded[key]
