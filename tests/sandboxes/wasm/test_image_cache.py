"""What the cache of compiled code promises: private, checked, built once, whatever was killed."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sandboxes.errors import ImageError
from sandboxes.wasm import image, keys, stored
from sandboxes.wasm.cache import Cache, location

ROOT = Path(__file__).parents[3]
MODULE = b"\0asm\x01\0\0\0"
COMPONENT_TEXT = b"(component)"
TEXT = b'(module (func (export "f") (result i32) i32.const %d))'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    path = tmp_path / "cache"
    monkeypatch.setenv("CELLBLOCK_CACHE", str(path))
    return path


def compiled(number: int = 1, **given: object) -> image.Compiled:
    return image.compile_module(TEXT % number, allow_text=True, **given)  # type: ignore[arg-type]


def python(code: str) -> subprocess.Popen[str]:
    """Start a Python that says "ready" and waits for a line before it runs `code`."""
    source = f"import sys\nprint('ready', flush=True)\nsys.stdin.readline()\n{code}"
    process = subprocess.Popen(
        [sys.executable, "-c", source],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


# --- finding and checking ------------------------------------------------------------------------
def test_a_program_is_compiled_once_and_found_again(capfd: pytest.CaptureFixture[str]) -> None:
    first = compiled(progress="auto")
    assert "compiling the program" in capfd.readouterr().err

    assert compiled(progress="auto") == first
    assert capfd.readouterr().err == ""
    assert first.kind == "module"
    assert Path(first.path).read_bytes().startswith(b"\x7fELF")


def test_programs_settings_and_releases_differ_in_their_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = [compiled(1), compiled(2), compiled(1, fuel=True)]
    assert len({one.key for one in made}) == 3

    before = keys.code_key("0" * 64, fuel=False)
    monkeypatch.setattr(keys, "_cpu", lambda: b"flags: none")
    assert keys.code_key("0" * 64, fuel=False) != before


def test_the_key_of_code_holds_the_exact_release_of_wasmtime() -> None:
    import importlib.metadata

    assert keys.installed_version("wasmtime") == importlib.metadata.version("wasmtime")
    with pytest.raises(ImageError, match="python -m pip install no-such-thing"):
        keys.installed_version("no-such-thing")


@pytest.mark.parametrize("harm", ["flip", "truncate", "grow", "replace", "remove", "empty"])
def test_a_file_that_is_not_the_one_of_its_record_is_built_anew_and_never_given_out(
    harm: str,
) -> None:
    first = compiled()
    path = Path(first.path)
    good = path.read_bytes()
    match harm:
        case "flip":
            path.write_bytes(good[:1000] + bytes([good[1000] ^ 1]) + good[1001:])
        case "truncate":
            path.write_bytes(good[:-1])
        case "grow":
            path.write_bytes(good + b"x")
        case "replace":
            path.rename(path.with_suffix(".elsewhere"))
            path.symlink_to(path.with_suffix(".elsewhere"))
        case "remove":
            path.unlink()
        case "empty":
            path.write_bytes(b"")

    again = compiled()

    assert Path(again.path).read_bytes() == good
    assert not Path(again.path).is_symlink()


@pytest.mark.parametrize("record", [b"", b"{}", b"[]", b"\xff", b'{"key": 1}', b"{" * 10_000])
def test_a_damaged_record_is_as_good_as_none(record: bytes) -> None:
    first = compiled()
    path = Path(first.path).with_suffix(".json")
    path.write_bytes(record)

    assert compiled() == first
    assert json.loads(path.read_bytes())["sha256"] == first.sha256


def test_a_record_of_another_key_is_not_believed() -> None:
    one, other = compiled(1), compiled(2)
    for suffix in (".json", ".cwasm"):
        source, target = Path(other.path), Path(one.path)
        target.with_suffix(suffix).write_bytes(source.with_suffix(suffix).read_bytes())

    assert compiled(1).sha256 == one.sha256


def test_a_seal_breaks_at_any_change_even_one_that_hides_its_time() -> None:
    first = compiled()
    cache = Cache(location())
    record = cache.record(first.key)
    assert record is not None
    assert cache.is_sealed(record)

    path = Path(first.path)
    before = path.stat()
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert not cache.is_sealed(record)


# --- whose directory it is -----------------------------------------------------------------------
def test_everything_in_the_cache_is_the_users_alone(home: Path) -> None:
    before = os.umask(0)
    try:
        compiled()
    finally:
        os.umask(before)

    modes = {p: stat.S_IMODE(p.stat().st_mode) for p in [home, *home.rglob("*")]}
    assert set(modes.values()) == {0o700, 0o600}, modes


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_cache_that_others_can_write_to_is_refused_with_the_fix(home: Path, mode: int) -> None:
    compiled()
    home.chmod(mode)

    for use in (compiled, image.ensure, stored.list_images, stored.prune):
        with pytest.raises(ImageError, match=f"remove it with: rm -r {home}"):
            use()
    assert image.quick_path() is None


def test_a_cache_that_others_can_only_read_is_closed_to_them(home: Path) -> None:
    home.mkdir(mode=0o755)

    compiled()

    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize("inner", ["files", "locks", "work"])
def test_a_directory_within_the_cache_is_checked_as_well(home: Path, inner: str) -> None:
    compiled(1)
    (home / inner).chmod(0o777)

    with pytest.raises(ImageError, match="others can write"):
        compiled(2)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a directory away needs root")
def test_a_cache_of_somebody_else_is_refused_with_the_fix(home: Path) -> None:
    compiled()
    os.chown(home, 12_345, 12_345)

    with pytest.raises(ImageError, match=r"belongs to user 12345.*set CELLBLOCK_CACHE"):
        compiled()


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_a_record_of_somebody_else_is_refused() -> None:
    first = compiled()
    os.chown(Path(first.path).with_suffix(".json"), 12_345, 12_345)

    with pytest.raises(ImageError, match="belongs to user 12345"):
        compiled()


def test_a_cache_that_cannot_be_made_names_the_variable_that_moves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CELLBLOCK_CACHE", str(tmp_path / "file" / "below"))

    with pytest.raises(ImageError):
        compiled()


def test_the_place_of_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_CACHE", "/a/b")
    assert location() == "/a/b"
    monkeypatch.delenv("CELLBLOCK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert location() == "/x/cellblock"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert location() == "/home/me/.cache/cellblock"


# --- several builders, killed builders -----------------------------------------------------------
def test_two_processes_that_start_at_once_build_once() -> None:
    code = (
        "from sandboxes.wasm import image\n"
        f"print(image.compile_module({TEXT % 7!r}, allow_text=True, progress='auto').sha256)"
    )
    both = [python(code), python(code)]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()

    said = [process.communicate() for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert said[0][0] == said[1][0]
    assert sum(err.count("compiling the program") for _, err in said) == 1


def _killed_builder(key: str, *, and_its_child: bool) -> int:
    """Kill a process at its build; return the id of the process it had started, or 0."""
    code = (
        "import subprocess\n"
        "from sandboxes.wasm.cache import Cache, location\n"
        f"with Cache(location()).building({key!r}) as build:\n"
        "    open(build.work + '/half', 'w').close()\n"
        "    wait = 'import signal; signal.pause()'\n"
        "    child = subprocess.Popen([sys.executable, '-c', wait], pass_fds=[build.lock],\n"
        "        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) if "
        f"{and_its_child} else None\n"
        "    print(child.pid if child else 0, flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    process = python(code)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    pid = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.communicate()
    return pid


def test_what_a_killed_build_left_is_cleaned_by_the_next_build(home: Path) -> None:
    _killed_builder("abandoned", and_its_child=False)
    assert (home / "work" / "abandoned" / "half").exists()

    compiled()

    assert list((home / "work").iterdir()) == []
    assert [p.name for p in (home / "locks").iterdir()] == [compiled().key]


def test_a_build_at_hand_keeps_its_work_while_another_cleans(home: Path) -> None:
    cache = Cache(location())
    with cache.building("busy") as build:
        (Path(build.work) / "half").write_text("")
        compiled()
        stored.prune(everything=True)
        assert (Path(build.work) / "half").exists()
    assert not (home / "work" / "busy").exists()


def test_a_compiler_that_outlives_its_builder_keeps_the_lock_of_its_key(home: Path) -> None:
    pid = _killed_builder("orphan", and_its_child=True)
    lock = os.open(home / "locks" / "orphan", os.O_RDWR)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.kill(pid, signal.SIGKILL)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.close(lock)


# --- other programs ------------------------------------------------------------------------------
def test_a_program_is_taken_at_the_cap_on_its_size_and_refused_one_byte_past_it(
    tmp_path: Path,
) -> None:
    assert image.compile_module(MODULE, bytes_max=len(MODULE)).kind == "module"
    file = tmp_path / "p.wasm"
    file.write_bytes(MODULE)
    assert image.compile_module(file, bytes_max=len(MODULE)).kind == "module"

    for program in (MODULE, file, str(file)):
        with pytest.raises(ImageError, match="8 B is over the limit of 7 B"):
            image.compile_module(program, bytes_max=7)


def test_a_compiler_that_takes_too_long_is_ended(home: Path) -> None:
    with pytest.raises(ImageError, match=r"took longer than 0\.001 s and was ended"):
        compiled(seconds_max=0.001)

    assert list((home / "work").iterdir()) == []


def test_both_forms_of_program_are_told_apart() -> None:
    component = image.compile_module(COMPONENT_TEXT, allow_text=True)

    assert (component.kind, compiled().kind) == ("component", "module")


@pytest.mark.parametrize("program", [TEXT % 1, COMPONENT_TEXT, b"", b"#!/bin/sh\n"])
def test_text_is_refused_unless_it_was_asked_for(program: bytes) -> None:
    with pytest.raises(ImageError, match="text form was not asked for"):
        image.compile_module(program)


@pytest.mark.parametrize(
    "program",
    [
        b"\0asm",
        b"\0asm\x02\0\0\0",
        MODULE + b"\xff\xff\xff",
        b"\0asm\x0d\0\x01\0" + b"\x07" * 50,
        b"\x7fELF" + b"\0" * 100,
        b"(module",
        b"\xff\xfe(module)",
        b"(" * 100_000,
    ],
)
def test_bytes_that_are_no_program_are_refused_and_nothing_is_kept(
    program: bytes, home: Path
) -> None:
    with pytest.raises(ImageError):
        image.compile_module(program, allow_text=True)

    assert not list(home.glob("files/*"))


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"absent\.wasm: No such file"):
        image.compile_module(tmp_path / "absent.wasm")


# --- looking after it ----------------------------------------------------------------------------
def test_what_is_in_the_cache_is_listed_oldest_first_and_removed_only_if_it_no_longer_fits(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    assert stored.list_images() == stored.prune() == []
    made = [compiled(1), compiled(2)]

    listed = stored.list_images()
    assert [one.key for one in listed] == [one.key for one in made]
    assert [one.size_bytes for one in listed] == [Path(one.path).stat().st_size for one in made]
    assert all(one.is_current and one.kind == "module" for one in listed)
    assert stored.prune() == []

    monkeypatch.setattr(keys, "_cpu", lambda: b"flags: none")
    third = compiled(3)
    removed = stored.prune()

    assert {one.key for one in removed} == {one.key for one in made}
    assert [one.key for one in stored.list_images()] == [third.key]
    assert [one.key for one in stored.prune(everything=True)] == [third.key]
    assert not list(home.glob("files/*"))


def test_pruning_removes_files_that_killed_builders_left_without_a_record(home: Path) -> None:
    kept = compiled()
    for name in ("dead.cwasm", "dead.wasm", "dead.request", "dead.json.123-4"):
        (home / "files" / name).write_bytes(b"")

    assert stored.prune() == []

    assert {p.name for p in home.glob("files/*")} == {f"{kept.key}.json", f"{kept.key}.cwasm"}


def test_looking_for_an_image_imports_neither_wasmtime_nor_a_builder() -> None:
    code = (
        "import sys\nfrom sandboxes.wasm import image\nimage.quick_path()\n"
        "heavy = {'wasmtime', 'ctypes', 'subprocess', 'tqdm', 'pydantic', 'asyncio', 'shutil',"
        " 'componentize_py', 'tempfile', 'hashlib', 'logging'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )

    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "[]\n"
