"""What images promise: packages that are pure, resolved once, in the guest, rebuilt if damaged."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.messages import Verdict
from sandboxes.errors import ImageError
from sandboxes.wasm import backend, image, keys, optimised, packages, stored
from sandboxes.wasm.build import INSIDE, lay_out
from sandboxes.wasm.cache import Cache, location
from sandboxes.wasm.image import Image
from tests.sandboxes.wasm.engine_kit import Bench, GuestThread, Recorder, order, setup


def wheel(directory: Path, name: str, files: dict[str, str], *, tag: str = "py3-none-any") -> Path:
    """Write a wheel of version 1.0."""
    path = directory / f"{name}-1.0-{tag}.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture(autouse=True, scope="module")
def _any_form() -> Iterator[None]:
    """Builds here make base forms, whatever form the other tests are to run on."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv(optimised.VARIABLE, raising=False)
        yield


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that takes the place of the package index."""
    directory = tmp_path / "index"
    directory.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return directory


@pytest.fixture
def target(tmp_path: Path) -> str:
    directory = tmp_path / "target"
    directory.mkdir()
    return str(directory)


# --- an image as a value -------------------------------------------------------------------------
def test_an_image_is_a_value() -> None:
    assert Image(packages=["a"]) == Image(packages=("a",))
    assert len({Image(), Image(packages=["a"]), Image(packages=("a",))}) == 2
    assert Image(preimport=["json"]) != Image()


@pytest.mark.parametrize("given", ["attrs", b"attrs", [1], [None]])
def test_an_image_takes_sequences_of_text_alone(given: object) -> None:
    with pytest.raises(TypeError, match=r"image\.packages must be a sequence of text"):
        Image(packages=given)  # type: ignore[arg-type]


# --- packages ------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["attrs", "attrs>=24", "a[b,c]==1.*", "a ; python_version>'3'"])
def test_a_requirement_is_not_taken_for_a_path(text: str) -> None:
    assert not packages.is_path(text)


@pytest.mark.parametrize("text", ["./attrs", "/a/b", "~/x", "mod.py", "x-1.whl", "a/b", "--flag"])
def test_a_path_is_not_taken_for_a_requirement(text: str) -> None:
    assert packages.is_path(text)


def test_a_requirement_is_resolved_from_the_index(index: Path, target: str) -> None:
    wheel(index, "tiny", {"tiny/__init__.py": "x = 5", "tiny/data.txt": "d"})

    assert packages.collect(["tiny>=1"], target) == ("tiny==1.0",)
    assert (Path(target) / "tiny" / "data.txt").read_text() == "d"


def test_a_package_without_a_pure_wheel_is_refused_by_name(index: Path, target: str) -> None:
    wheel(index, "hard", {"hard.py": ""}, tag="cp314-cp314-manylinux_2_17_x86_64")

    with pytest.raises(ImageError, match="'hard' has no wheel of pure Python"):
        packages.collect(["hard"], target)


def test_a_wheel_that_lies_about_being_pure_is_refused_by_name(index: Path, target: str) -> None:
    wheel(index, "liar", {"liar/__init__.py": "", "liar/_fast.cpython-314.so": "\x7fELF"})

    with pytest.raises(ImageError, match=r"'liar' is not pure Python.*_fast"):
        packages.collect(["liar"], target)


@pytest.mark.parametrize("name", ["--index-url=http://a", "../nowhere", "/nowhere/x.whl"])
def test_what_is_no_package_is_refused(target: str, name: str) -> None:
    with pytest.raises(ImageError, match="no such file"):
        packages.collect([name], target)


def test_local_modules_and_packages_are_copied(tmp_path: Path, target: str) -> None:
    (tmp_path / "one.py").write_text("x = 1")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "__init__.py").write_text("")
    (tmp_path / "empty").mkdir()

    assert packages.collect([str(tmp_path / "one.py"), str(tmp_path / "two")], target) == (
        "one",
        "two",
    )
    with pytest.raises(ImageError, match=r"neither a \.py file"):
        packages.collect([str(tmp_path / "empty")], target)


def test_the_key_of_a_request_follows_the_bytes_of_local_packages(tmp_path: Path) -> None:
    module = tmp_path / "one.py"
    module.write_text("x = 1")
    asked = [str(module)]
    before = packages.request_key("base", asked, ())
    assert packages.request_key("base", asked, ()) == before

    module.write_text("x = 2")

    changed = packages.request_key("base", asked, ())
    others = [
        packages.request_key("other", asked, ()),
        packages.request_key("base", asked, ["one"]),
        packages.request_key("base", ["one"], ()),
    ]
    assert len({before, changed, *others}) == 5


def test_no_two_lists_of_pieces_have_one_key() -> None:
    def key(*pieces: tuple[str, str]) -> str:
        digest = keys.Digest("test")
        for name, data in pieces:
            digest.add(name, data)
        return digest.key()

    assert (
        len({key(("a", "bc")), key(("ab", "c")), key(("a", "b"), ("c", "")), key(("a", ""))}) == 4
    )


def test_the_guests_own_packages_import_each_other_under_their_new_name(tmp_path: Path) -> None:
    lay_out(str(tmp_path / INSIDE))

    laid = {p.relative_to(tmp_path / INSIDE): p.read_text() for p in tmp_path.rglob("*.py")}
    assert Path("sandboxes/guest/running.py") in laid
    for path, text in laid.items():
        for line in text.splitlines():
            words = line.split()
            if len(words) > 1 and words[0] in ("from", "import"):
                assert words[1].partition(".")[0] not in ("protocol", "sandboxes"), (path, line)


# --- one built image -----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Image, image.Compiled]]:
    """An image with a package, a module of the user's own, and one of them imported before."""
    directory = tmp_path_factory.mktemp("image")
    tiny = wheel(
        directory,
        "tiny",
        {
            "tiny/__init__.py": "def fail():\n    return 1 / 0\n",
            "tiny/late.py": "import tiny\nx = 6",
            "tiny/data/words.txt": "some words",
        },
    )
    early = directory / "early.py"
    early.write_text("import time\nborn = time.time_ns()\nprint('not shown')\n")
    wanted = Image(packages=[str(tiny), str(early)], preimport=["early"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELLBLOCK_CACHE", str(directory / "cache"))
        assert image.quick_path(wanted) is None
        yield wanted, image.ensure(wanted, progress=None)


@pytest.fixture
def tiny_bench(built: tuple[Image, image.Compiled], guest_thread: GuestThread) -> Bench:
    loaded = guest_thread.do(lambda: backend.load(setup(built[1].path)))
    return Bench(loaded, guest_thread)


def test_packages_are_in_the_guest_with_data_metadata_and_sources(tiny_bench: Bench) -> None:
    source = (
        "import importlib.metadata, importlib.resources, pkgutil, tiny.late\n"
        "files = importlib.resources.files('tiny')\n"
        "print((files / 'data' / 'words.txt').read_text(), tiny.late.x)\n"
        "print(sorted(f.name for f in files.iterdir()))\n"
        "print(pkgutil.get_data('tiny', 'data/words.txt'))\n"
        "print(importlib.metadata.version('tiny'), tiny.__file__.endswith('tiny/__init__.py'))\n"
        "try: (files / 'absent').read_text()\n"
        "except FileNotFoundError as e: print(e.strerror)\n"
    )

    assert tiny_bench.say(source).splitlines() == [
        "some words 6",
        "['__init__.py', 'data', 'late.py']",
        "b'some words'",
        "1.0 True",
        "not packed into this image",
    ]


def test_a_package_shows_its_source_in_tracebacks(tiny_bench: Bench) -> None:
    ended = tiny_bench.run(order("import tiny\ntiny.fail()"))

    assert ended.error is not None
    assert "    return 1 / 0\n" in ended.error.traceback


def test_a_preimported_module_is_imported_at_build_time(tiny_bench: Bench) -> None:
    source = "import sys\nprint('early' in sys.modules)\nimport early\nprint(early.born)"

    first, second = tiny_bench.say(source), tiny_bench.say(source)

    assert first.startswith("True\n")
    assert first == second


def test_a_built_image_is_found_at_once_and_listed_with_its_packages(
    built: tuple[Image, image.Compiled],
) -> None:
    wanted, compiled = built

    assert image.quick_path(wanted) == compiled
    assert image.ensure(wanted, progress=None) == compiled
    assert [(one.kind, one.packages, one.is_current) for one in stored.list_images()] == [
        ("guest", ("early", "tiny==1.0"), True),
        ("code", ("early", "tiny==1.0"), True),
    ]
    assert stored.prune() == []


def test_damaged_code_of_an_image_is_noticed_and_compiled_anew(
    built: tuple[Image, image.Compiled], guest_thread: GuestThread
) -> None:
    wanted, compiled = built
    path = Path(compiled.path)
    good = path.read_bytes()
    path_was = path.stat()
    path.write_bytes(good[: len(good) // 2] + b"\xcc" + good[len(good) // 2 + 1 :])

    assert image.quick_path(wanted) is None
    again = image.ensure(wanted, progress=None)

    assert Path(again.path).stat().st_mtime_ns > path_was.st_mtime_ns
    bench = Bench(guest_thread.do(lambda: backend.load(setup(again.path))), guest_thread)
    ended = bench.run(order("print(1 + 1)"), host := Recorder())
    assert (ended.verdict, host.stdout) == (Verdict.OK, "2\n")


def test_a_module_that_cannot_be_imported_at_build_time_is_told_in_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_CACHE", str(tmp_path / "cache"))

    with pytest.raises(ImageError, match="no_such_module"):
        image.ensure(Image(preimport=["no_such_module"]), progress=None)

    assert list((tmp_path / "cache" / "work").iterdir()) == []


# --- a wheel's base guest ------------------------------------------------------------------------
@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: object) -> Path:
    """A finished guest where a wheel carries it."""
    record = next(one for one in Cache(location()).records() if one.kind == "guest")
    wasm, digest = tmp_path / "guest.wasm", tmp_path / "guest.json"
    wasm.symlink_to(Cache(location()).file(record))
    digest.write_text(json.dumps({"sha256": record.sha256}))
    monkeypatch.setattr(keys, "BASE_WASM", str(wasm.resolve()))
    monkeypatch.setattr(keys, "BASE_DIGEST", str(digest))
    return digest


def test_a_finished_guest_of_a_wheel_is_compiled_and_not_built(
    shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "installed_version", only_wasmtime(keys.installed_version))

    compiled = image.ensure(progress=None)

    assert image.quick_path() == compiled
    assert compiled.kind == "code"


def only_wasmtime(found: object) -> object:
    """What a machine answers that has no tools to build a guest."""

    def installed_version(name: str) -> str:
        if name != "wasmtime":
            raise ImageError(f"{name} is not installed")
        return found(name)  # type: ignore[operator,no-any-return]  # the function it stands before

    return installed_version


def test_a_damaged_guest_of_a_wheel_is_refused(shipped: Path, tmp_path: Path) -> None:
    shipped.write_text(json.dumps({"sha256": "0" * 64}))

    with pytest.raises(ImageError, match=r"guest\.wasm|files/.* is damaged; install"):
        image.ensure(progress=None)
    shipped.write_text("{")
    with pytest.raises(ImageError, match="is damaged; install cellblock again"):
        image.ensure(progress=None)
