"""The module that cuts a guest's waits into short ones.

A deadline is an increment of wasmtime's epoch, and wasmtime looks at it where a guest computes: a
guest that waits in one call of the host, such as `sleep(60)`, is not ended before that call
returns. So each wait of the merged module goes through here and becomes a loop of waits of
`PIECE_MS`, between which wasmtime looks. No guest can go round it, as the merged module has no
other way to wait.

A wait for nothing (an empty list) is passed on as it is; wasmtime ends the guest for it.
"""

from __future__ import annotations

from typing import Final

from sandboxes.errors import ImageError
from sandboxes.wasm.merging.modules import Import
from sandboxes.wasm.merging.plan import Plan, module_name

#: As in `sandboxes.guest.clock`.
PIECE_MS: Final = 5
MODULE: Final = "waits"
_POLL, _BLOCK = "poll", "[method]pollable.block"
_POLLS, _CLOCK = "wasi:io/poll@", "wasi:clocks/monotonic-clock@"
_DROP, _SUBSCRIBE = "[resource-drop]pollable", "subscribe-duration"


def replaces(one: Import) -> str | None:
    """Return the function here that takes the place of an import, `None` if none does."""
    if one.module.startswith(_POLLS) and one.name in (_POLL, _BLOCK):
        return "poll" if one.name == _POLL else "block"
    return None


def text(plan: Plan) -> str:
    """Return the module in its text form.

    Raises:
        ImageError: the guest's modules do not import what it takes to wait.
    """
    found = _Found(plan)
    return _TEXT.format(
        memory=found.memory,
        malloc=found.export("malloc"),
        free=found.export("free"),
        poll=found.imported(_POLLS, _POLL),
        drop=found.imported(_POLLS, _DROP),
        subscribe=found.imported(_CLOCK, _SUBSCRIBE),
        piece_ns=PIECE_MS * 1_000_000,
    )


class _Found:
    """The module that waits, and what else it has."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        for number in plan.merged:
            for one in plan.modules[number].imports:
                if replaces(one) == "poll":
                    self._number = number
                    break
            else:
                continue
            break
        else:
            raise ImageError("no module of the guest waits by wasi:io/poll")
        memory = next(one for one in self._module.imports if one.name == "memory")
        self.memory = _quoted(*plan.link(self._number, memory))

    @property
    def _module(self):  # type: ignore[no-untyped-def]  # a short name for what is just above
        return self._plan.modules[self._number]

    def export(self, name: str) -> str:
        """Return the place of an export of the module that waits."""
        if not any(one.name == name for one in self._module.exports):
            raise ImageError(f"the guest's module that waits exports no {name}")
        own = module_name(self._number)
        return _quoted(own, f"{own}::{name}")

    def imported(self, module: str, name: str) -> str:
        """Return the place of an import of any module."""
        for number in self._plan.merged:
            for one in self._plan.modules[number].imports:
                if one.module.startswith(module) and one.name == name:
                    return _quoted(*self._plan.link(number, one))
        raise ImageError(f"no module of the guest imports {module} {name}")


def _quoted(module: str, name: str) -> str:
    return f'"{module}" "{name}"'


#: `poll` takes a list of handles and its length, and leaves address and length of a list of those
#: that are ready at `$result`; the list is on the guest's heap, and its owner's to free.
_TEXT: Final = """(module
  (import {memory} (memory 1))
  (import {malloc} (func $malloc (param i32) (result i32)))
  (import {free} (func $free (param i32)))
  (import {poll} (func $poll (param i32 i32 i32)))
  (import {drop} (func $drop (param i32)))
  (import {subscribe} (func $subscribe (param i64) (result i32)))

  (func $wait (export "poll") (param $list i32) (param $count i32) (param $result i32)
    (local $longer i32) (local $bytes i32) (local $timer i32)
    (local $ready i32) (local $left i32) (local $kept i32) (local $at i32)
    (if (i32.eqz (local.get $count)) (then
      (call $poll (local.get $list) (local.get $count) (local.get $result))
      (return)))
    ;; The same list, with a timer behind it.
    (local.set $bytes (i32.mul (local.get $count) (i32.const 4)))
    (local.set $longer (call $malloc (i32.add (local.get $bytes) (i32.const 4))))
    (if (i32.eqz (local.get $longer)) (then (unreachable)))
    (memory.copy (local.get $longer) (local.get $list) (local.get $bytes))
    (loop $again
      (local.set $timer (call $subscribe (i64.const {piece_ns})))
      (i32.store (i32.add (local.get $longer) (local.get $bytes)) (local.get $timer))
      (call $poll
        (local.get $longer) (i32.add (local.get $count) (i32.const 1)) (local.get $result))
      (call $drop (local.get $timer))
      ;; Of what is ready keep all but the timer, in place.
      (local.set $ready (i32.load (local.get $result)))
      (local.set $left (i32.load offset=4 (local.get $result)))
      (local.set $at (local.get $ready))
      (local.set $kept (i32.const 0))
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (if (i32.ne (i32.load (local.get $at)) (local.get $count)) (then
          (i32.store
            (i32.add (local.get $ready) (i32.mul (local.get $kept) (i32.const 4)))
            (i32.load (local.get $at)))
          (local.set $kept (i32.add (local.get $kept) (i32.const 1)))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
      (if (i32.eqz (local.get $kept)) (then
        (call $free (local.get $ready))
        (br $again))))
    (i32.store offset=4 (local.get $result) (local.get $kept))
    (call $free (local.get $longer)))

  (func (export "block") (param $handle i32)
    (local $room i32)  ;; for a list of one, and for the result
    (local.set $room (call $malloc (i32.const 12)))
    (if (i32.eqz (local.get $room)) (then (unreachable)))
    (i32.store (local.get $room) (local.get $handle))
    (call $wait (local.get $room) (i32.const 1) (i32.add (local.get $room) (i32.const 4)))
    (call $free (i32.load offset=4 (local.get $room)))
    (call $free (local.get $room))))
"""
