"""Bad input is refused before anything is sent, and the error names the argument and the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from executor import Limits, Misuse, Mount, Supervisor
from executor.checks import mount_from
from executor.options import Defaults, Plan, make_plan
from protocol.messages import Variable


def plan(code: Any = "1", **options: Any) -> Plan:
    return make_plan(code, options, Defaults())  # type: ignore[arg-type]  # wrong ones are the point


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"code": 3}, "code", "must be text"),
    ({"code": None}, "code", "give Python source"),
    ({"code": "x = '\ud800'"}, "code", "lone surrogate"),
    ({"module": "x.wasm"}, "module", "exclude each other"),
    ({"limits": {"wall": 1}}, "limits['wall']", "wall_s"),
    ({"limits": {"wall_s": -1}}, "limits", "limits.wall_s must be"),
    ({"limits": {"memory_bytes": "64 apples"}}, "limits", "limits.memory_bytes must be a size"),
    ({"limits": 3}, "limits", "must be Limits or a dict"),
    ({"inputs": {"a b": 1}}, "inputs['a b']", "identifiers"),
    ({"inputs": {"class": 1}}, "inputs['class']", "identifiers"),
    ({"inputs": {3: 1}}, "inputs[3]", "identifiers"),
    ({"inputs": [1]}, "inputs", "must map names"),
    ({"inputs": {"x": [1, object()]}}, "inputs['x'][1]", "object"),
    ({"mode": "exec"}, "mode", '"cell" or "script"'),
    ({"result": "a.b"}, "result", "name of a global"),
    ({"filename": "a\0b"}, "filename", "NUL"),
    ({"filename": ""}, "filename", "empty"),
    ({"filename": "f" * 4_097}, "filename", "4097 characters are over 4096"),
    ({"argv": "abc"}, "argv", "must be a list"),
    ({"argv": [1]}, "argv[0]", "must be text"),
    ({"argv": ["a\0"]}, "argv[0]", "NUL"),
    ({"argv": ["a"] * 1_025}, "argv", "over 1024"),
    ({"argv": ["a"], "args": ["b"]}, "args", "the same thing"),
    ({"env": {"A=B": "1"}}, "env['A=B']", "without ="),
    ({"env": {"": "1"}}, "env['']", "not empty"),
    ({"env": {"A": "1\0"}}, "env['A']", "NUL"),
    ({"env": {"A": 1}}, "env['A']", "must be text, not int"),
    ({"env": {"A" * 257: ""}}, f"env['{'A' * 257}']", "257 characters are over 256"),
    ({"env": ["A"]}, "env", "must map names"),
    ({"files": {"../x": b""}}, "files['../x']", '".."'),
    ({"files": {"a/../../x": b""}}, "files['a/../../x']", '".."'),
    ({"files": {"/etc/passwd": b""}}, "files['/etc/passwd']", "relative"),
    ({"files": {"a//b": b""}}, "files['a//b']", "plain relative name"),
    ({"files": {"": b""}}, "files['']", "named by text"),
    ({"files": {"x": 3}}, "files['x']", "must be bytes or text"),
    ({"files": {"a": b"", "a/b": b""}}, "files['a']", "folder of another"),
    ({"files": {str(n): b"" for n in range(1_025)}}, "files", "1025 are over 1024"),
    ({"mounts": ["/nonsense:/data"]}, "mounts['/nonsense']", "No such file"),
    ({"mounts": ["/tmp"]}, "mounts['/tmp']", "SRC:DST"),
    ({"mounts": ["/tmp:data"]}, "mounts['/tmp']", "absolute"),
    ({"mounts": ["/tmp:/a/../b"]}, "mounts['/tmp']", "without .."),
    ({"mounts": [f"{__file__}:/data"]}, f"mounts[{__file__[:80]!r}]", "not a directory"),
    ({"mounts": "/tmp:/data"}, "mounts", "must be a list"),
    ({"mounts": [3]}, "mounts", "must hold Mount or text"),
    ({"stdin": 3}, "stdin", "must be bytes, text or have read()"),
    ({"on_stdout": 3}, "on_stdout", "must be callable"),
    ({"on_stderr": "x"}, "on_stderr", "must be callable"),
    ({"on_log": 3}, "on_log", "must be callable"),
    ({"on_progress": 3}, "on_progress", "must be callable"),
    ({"tenant": 3}, "tenant", "must be text"),
    ({"tenant": "t" * 257}, "tenant", "257 characters are over 256"),
    ({"priority": 101}, "priority", "-100 to 100"),
    ({"priority": 1.5}, "priority", "must be an int"),
    ({"queue_timeout_s": -1}, "queue_timeout_s", "must be 0 to"),
    ({"queue_timeout_s": "1"}, "queue_timeout_s", "seconds as a float"),
    ({"functions": {"f": 3}}, "functions['f']", "must be callable"),
    ({"functions": {"a b": print}}, "functions['a b']", "identifier"),
    ({"functions": {"__x": print}}, "functions['__x']", "two underscores"),
    ({"functions": [lambda: 1]}, "functions['<lambda>']", "identifier"),
    ({"functions": [str, "x"]}, "functions[\"'x'\"]", "must be callable"),
    ({"functions": "print"}, "functions", "must be a list"),
]


@pytest.mark.parametrize(("options", "argument", "problem"), BAD, ids=lambda v: str(v)[:40])
def test_bad_input_is_named_with_its_fix(
    options: dict[str, Any], argument: str, problem: str
) -> None:
    options = {"code": "1", **options}

    with pytest.raises(Misuse) as caught:
        plan(**options)

    assert caught.value.argument == argument
    assert problem in caught.value.problem
    assert not caught.value.began


def test_an_option_that_does_not_exist_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'timeout'"):
        plan(timeout=3)


def test_two_functions_of_one_name_clash() -> None:
    def shout() -> None:
        """Do nothing."""

    host = Supervisor(functions=[shout])

    with pytest.raises(Misuse, match=r"functions\['shout'\]: is given twice"):
        host.plan("1", {"functions": {"shout": print}})


def test_one_function_may_be_given_for_all_runs_and_for_this_one() -> None:
    def shout() -> None:
        """Do nothing."""

    functions = Supervisor(functions=[shout]).plan("1", {"functions": [shout]}).functions

    assert functions is not None
    assert functions.names == ("shout",)


def test_what_is_at_a_cap_is_taken() -> None:
    taken = plan(
        filename="f" * 4_096,
        argv=["a"] * 1_024,
        env={"A" * 256: "v" * 65_536},
        files={str(n): b"" for n in range(1_024)},
        tenant="t" * 256,
        priority=-100,
        queue_timeout_s=0,
    )

    assert len(taken.argv) == len(taken.file_names) == 1_024
    assert taken.env == (Variable("A" * 256, "v" * 65_536),)
    assert taken.queue_ms == 0


def test_limits_given_as_a_dict_change_only_what_they_name() -> None:
    defaults = Defaults(Limits(wall_s=2.0, host_calls=5))

    made = make_plan("1", {"limits": {"memory_bytes": "64MiB"}}, defaults).limits

    assert made == Limits(wall_s=2.0, host_calls=5, memory_bytes=64 << 20)


def test_limits_given_whole_replace_the_defaults() -> None:
    made = make_plan("1", {"limits": Limits(host_calls=7)}, Defaults(Limits(wall_s=2.0))).limits

    assert made == Limits(host_calls=7)


def test_a_wall_limit_is_rounded_up_to_milliseconds() -> None:
    assert plan(limits={"wall_s": 0.0011}).run_limits.wall_ms == 2


@pytest.mark.parametrize(
    ("text", "writable"), [("{}:/d", True), ("{}:/d:rw", True), ("{}:/d:ro", False)]
)
def test_a_mount_may_be_written_as_text(tmp_path: Path, text: str, writable: bool) -> None:
    assert mount_from(text.format(tmp_path)) == Mount(str(tmp_path), "/d", writable)


def test_a_mount_is_pinned_to_the_real_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert mount_from(Mount(str(tmp_path / "link"), "/d")).host_path == str(tmp_path / "real")


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"isolate": "thread"}, "isolate"),
        ({"cells": 0}, "cells"),
        ({"cells": 1_025}, "cells"),
        ({"cells": 1.0}, "cells"),
        ({"queue_max": -1}, "queue_max"),
        ({"stock": 0}, "stock"),
        ({"tenant": "t" * 257}, "tenant"),
        ({"require": ["warp"]}, "require"),
        ({"limits": {"nonsense": 1}}, "limits['nonsense']"),
        ({"functions": {"f": 1}}, "functions['f']"),
    ],
    ids=str,
)
def test_a_supervisor_refuses_what_cannot_work_before_it_starts(
    options: dict[str, Any], argument: str
) -> None:
    with pytest.raises(Misuse) as caught:
        Supervisor(**options)

    assert caught.value.argument == argument


def test_an_image_that_is_none_is_refused_before_anything_is_started() -> None:
    with pytest.raises(Misuse, match="image: must be an Image, not str"):
        Supervisor("numpy").open()  # type: ignore[arg-type]  # that is the point
