"""Small WASI programs in text form, and a way to compile them."""

from __future__ import annotations

from pathlib import Path

import wasmtime

from sandboxes.wasm.binding import load
from sandboxes.wasm.engine import Engine, Settings

_IMPORTS = """
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read"
    (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get"
    (func $env_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
"""


def module(start: str, *, memory: str = "1", before: str = "") -> str:
    """Return a preview 1 command whose `_start` is `start`.

    `$put descriptor address length` writes, and memory from 1,024 on is free to use.
    """
    return f"""(module {_IMPORTS}
      (memory (export "memory") {memory})
      {before}
      (func $put (param $fd i32) (param $at i32) (param $size i32)
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $size))
        (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
      (func (export "_start") {start}))"""


HELLO = module(
    """(call $put (i32.const 1) (i32.const 1024) (i32.const 6))
       (call $put (i32.const 2) (i32.const 1030) (i32.const 5))
       (call $exit (i32.const 7))""",
    before='(data (i32.const 1024) "hello\\noops\\n")',
)

#: Prints its arguments, each ended by a NUL, and its environment the same way on standard error.
ARGUMENTS = module(
    """(drop (call $args_sizes (i32.const 16) (i32.const 20)))
       (drop (call $args (i32.const 1024) (i32.const 4096)))
       (call $put (i32.const 1) (i32.const 4096) (i32.load (i32.const 20)))
       (drop (call $env_sizes (i32.const 16) (i32.const 20)))
       (drop (call $env (i32.const 1024) (i32.const 4096)))
       (call $put (i32.const 2) (i32.const 4096) (i32.load (i32.const 20)))"""
)

#: Copies its input to its output until the input ends.
CAT = module(
    """(loop $more
         (i32.store (i32.const 0) (i32.const 1024))
         (i32.store (i32.const 4) (i32.const 4096))
         (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 12)))
         (if (i32.load (i32.const 12)) (then
           (call $put (i32.const 1) (i32.const 1024) (i32.load (i32.const 12)))
           (br $more))))"""
)

#: Says "ready", then computes for ever.
SPIN = module(
    """(call $put (i32.const 1) (i32.const 1024) (i32.const 6)) (loop $again (br $again))""",
    before='(data (i32.const 1024) "ready\\n")',
)

#: Writes 4,096 bytes to its output for ever.
FLOOD = module(
    "(loop $again (call $put (i32.const 1) (i32.const 1024) (i32.const 4096)) (br $again))"
)


def writer(size_bytes: int) -> str:
    """Return a program that writes so many bytes to `out` in its first directory."""
    return module(
        f"""(drop (call $open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 3)
                (i32.const 1) (i64.const 64) (i64.const 64) (i32.const 0) (i32.const 16)))
           (call $put (i32.load (i32.const 16)) (i32.const 2048) (i32.const {size_bytes}))""",
        before='(data (i32.const 1024) "out")',
    )


def grower(pages: int) -> str:
    """Return a program that exits with 0 if its memory can be grown to `pages`, else with 1."""
    return module(
        f"""(if (i32.eq (memory.grow (i32.const {pages - 1})) (i32.const -1))
              (then (call $exit (i32.const 1))))"""
    )


def component(*, ok: bool = True, version: str = "0.2.0", imports: str = "") -> str:
    """Return a preview 2 command that prints a line and ends well or not."""
    return f"""(component {imports}
 (import "wasi:io/error@0.2.0" (instance $e (export "error" (type (sub resource)))))
 (alias export $e "error" (type $error))
 (import "wasi:io/streams@0.2.0" (instance $s
   (export "output-stream" (type $os (sub resource)))
   (alias outer 1 $error (type $er)) (export "error" (type $error2 (eq $er)))
   (type $se (variant (case "last-operation-failed" (own $error2)) (case "closed")))
   (export "stream-error" (type $se2 (eq $se)))
   (export "[method]output-stream.blocking-write-and-flush"
     (func (param "self" (borrow $os)) (param "contents" (list u8))
       (result (result (error $se2)))))))
 (alias export $s "output-stream" (type $ost))
 (import "wasi:cli/stdout@0.2.0" (instance $so
   (alias outer 1 $ost (type $o)) (export "output-stream" (type $o2 (eq $o)))
   (export "get-stdout" (func (result (own $o2))))))
 (core module $mm (memory (export "mem") 1))
 (core module $m
   (import "h" "get" (func $get (result i32)))
   (import "h" "write" (func $write (param i32 i32 i32 i32)))
   (import "h" "mem" (memory 1))
   (data (i32.const 100) "component says hi\\n")
   (func (export "run") (result i32)
     (call $write (call $get) (i32.const 100) (i32.const 18) (i32.const 8))
     (i32.const {0 if ok else 1})))
 (core instance $mi (instantiate $mm))
 (alias core export $mi "mem" (core memory $mem))
 (core func $get (canon lower (func $so "get-stdout")))
 (core func $write
   (canon lower (func $s "[method]output-stream.blocking-write-and-flush") (memory $mem)))
 (core instance $i (instantiate $m (with "h" (instance
   (export "get" (func $get)) (export "write" (func $write)) (export "mem" (memory $mem))))))
 (func $run (result (result)) (canon lift (core func $i "run")))
 (instance $r (export "run" (func $run)))
 (export "wasi:cli/run@{version}" (instance $r)))"""


def compiled(folder: Path, wat: str, *, fuel: bool = False) -> str:
    """Compile `wat` and return the path of the code."""
    engine = Engine(load(), Settings(fuel=fuel))
    is_component = wat.lstrip().startswith("(component")
    code = engine.compile(bytes(wasmtime.wat2wasm(wat)), component=is_component)
    engine.close()
    path = folder / f"{hash(wat) & 0xFFFFFFFF:x}-{fuel}.cwasm"
    path.write_bytes(code)
    return str(path)
