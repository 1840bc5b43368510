"""The optimised form of a guest is found, preferred, and does all that the base form does.

With CELLBLOCK_GUEST=base or =optimised every other test of this folder runs on that form, too.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from executor import Supervisor
from protocol.messages import Verdict
from sandboxes.errors import ImageError
from sandboxes.wasm import backend, image, keys, optimised, stored
from sandboxes.wasm.cache import Cache, location
from sandboxes.wasm.merging import binaryen
from sandboxes.wasm.records import Form
from tests.sandboxes.wasm.engine_kit import Bench, GuestThread, Recorder, order, setup


# --- which form is used --------------------------------------------------------------------------
@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A cache with a base guest and what stands for its optimised form; give the latter's bytes."""
    monkeypatch.setenv("CELLBLOCK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(optimised.VARIABLE, raising=False)
    monkeypatch.setattr(keys, "BASE_DIGEST", str(tmp_path / "none.json"))
    cache, sources = Cache(location()), keys.sources_key()
    base = _put(cache, sources, b"the base guest", sources)
    needs = keys.merged_key(sources)
    return _put(cache, keys.merged_key(base), b"the optimised guest", needs, is_optimised=True)


def _put(cache: Cache, key: str, data: bytes, needs: str, *, is_optimised: bool = False) -> str:
    with cache.building(key) as build:
        path = f"{build.work}/guest.wasm"
        Path(path).write_bytes(data)
        form: Form = "optimised" if is_optimised else "base"
        return build.keep(path, "guest", needs, (), form=form).sha256


def test_the_optimised_form_is_preferred_where_it_is_there(both: str) -> None:
    assert image.form_of() == "optimised"
    assert image.state_of() == "built"

    cache = Cache(location())
    found = optimised.find(cache, cache.records()[0].sha256)
    assert found is not None
    assert found.sha256 == both
    cache.remove(found)
    assert image.form_of() == "base"


def test_the_base_form_is_used_where_it_is_asked_for(
    both: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(optimised.VARIABLE, "base")

    assert image.form_of() == "base"


def test_a_base_form_with_other_bytes_has_no_optimised_form(both: str) -> None:
    cache = Cache(location())
    _put(cache, keys.sources_key(), b"another base guest", keys.sources_key())

    assert image.form_of() == "base"


def test_a_change_of_what_merges_leads_back_to_the_base_form(
    both: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "wasm"
    shutil.copytree(keys.HERE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "merging" / "waits.py").open("a") as file:
        file.write("# changed\n")
    monkeypatch.setattr(keys, "_MERGERS", (os.path.relpath(copy / "merging", keys.HERE),))

    assert image.form_of() == "base"


def test_an_optimised_form_that_is_asked_for_and_missing_is_an_error_with_the_fix(
    both: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(location())
    for record in cache.records():
        if record.form == "optimised":
            cache.remove(record)
    monkeypatch.setenv(optimised.VARIABLE, "optimised")

    with pytest.raises(ImageError, match="cellblock image build --optimize"):
        image.ensure(progress=None)


def test_a_form_that_there_is_not_is_refused(both: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(optimised.VARIABLE, "fast")

    with pytest.raises(ImageError, match="CELLBLOCK_GUEST must be base or optimised, not 'fast'"):
        image.ensure(progress=None)


def test_the_list_tells_the_forms_apart_and_both_are_current(both: str) -> None:
    found = [(one.form, one.is_current) for one in stored.list_images()]

    assert found == [("base", True), ("optimised", True)]


# --- what it does --------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def base(guest_thread: GuestThread) -> Bench:
    """A backend with the base form of the guest, whatever else there is."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(optimised.VARIABLE, "base")
        path = image.ensure(progress=None).path
    return Bench(guest_thread.do(lambda: backend.load(setup(path))), guest_thread)


@pytest.fixture(scope="module")
def merged(guest_thread: GuestThread) -> Bench:
    """A backend with the optimised guest, which is built here if it was not before: 2 minutes."""
    if why := binaryen.missing():
        pytest.skip(f"the optimised guest cannot be built here: {why}")
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv(optimised.VARIABLE, raising=False)
        path = image.ensure(optimise=True, progress=None).path
        assert image.form_of() == "optimised"
    return Bench(guest_thread.do(lambda: backend.load(setup(path))), guest_thread)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("print(6 * 7)", "42"),
        ("import json, re; print(json.dumps(re.findall(r'(a+)b', 'aabab')))", '["aa", "a"]'),
        ("import sqlite3 as s; print(*s.connect(':memory:').execute('select 6*7'))", "(42,)"),
        ("import zlib, hashlib as h; print(h.sha256(zlib.compress(b'x' * 99)).hexdigest())", None),
        ("import decimal; print(decimal.Decimal(1) / 7)", "0.1428571428571428571428571429"),
        ("import asyncio; print(asyncio.run(asyncio.sleep(0.01, 'slept')))", "slept"),
        ("import xml.etree.ElementTree as e; print(e.fromstring('<a b=\"1\"/>').get('b'))", "1"),
        ("import zoneinfo; print(zoneinfo.ZoneInfo('Asia/Tokyo'))", "Asia/Tokyo"),
        ("print(sum(i * i for i in range(100000)))", "333328333350000"),
        ("def f(n): return f(n + 1)\ntry: f(0)\nexcept RecursionError: print('deep')", "deep"),
    ],
)  # fmt: skip
def test_the_optimised_guest_says_what_the_base_guest_says(
    merged: Bench, base: Bench, source: str, said: str | None
) -> None:
    printed = merged.say(source)

    assert printed == base.say(source)
    assert said is None or printed.strip() == said


def test_the_objects_of_its_snapshot_are_immortal_and_new_ones_are_not(merged: Bench) -> None:
    said = merged.say(
        "import sys, json, decimal\n"
        "print(sys._is_immortal(json.loads), sys._is_immortal(decimal.Context))\n"
        "print(sys._is_immortal(object()))"
    )

    assert said.split() == ["True", "True", "False"]


#: The guest's own `sleep` waits in pieces; this is what is below it.
WAITS = (
    "import {inside}.sandboxes.wasm.guest.clock as clock; clock._sleep(600)",
    "import {inside}.sandboxes.wasm.guest.clock as clock; clock._select_before([], [], [], 600)",
    "import time; time.sleep(600)",
)


@pytest.mark.parametrize("wait", WAITS)
def test_a_deadline_ends_a_wait_that_the_guest_did_not_cut_short(merged: Bench, wait: str) -> None:
    source = f"print('ready', flush=True)\n{wait.format(inside='_cellblock')}"

    ended, _ = merged.run_until_interrupted(order(source), Verdict.TIMEOUT)

    assert ended.verdict is Verdict.TIMEOUT


def test_a_wait_takes_its_time_and_no_less(merged: Bench) -> None:
    source = (
        "import time\nfrom _cellblock.sandboxes.guest import clock\n"
        "for wait_s in (0.001, 0.0049, 0.005, 0.012, 0.03):\n"
        "    began = time.monotonic(); clock._sleep(wait_s)\n"
        "    print(time.monotonic() - began >= wait_s)"
    )

    assert merged.say(source).split() == ["True"] * 5


def test_memory_has_the_same_limit(merged: Bench) -> None:
    source = "try: bytearray(10**9)\nexcept MemoryError: print('refused')"

    assert merged.say(source) == "refused\n"


def test_runs_through_a_supervisor_are_on_the_optimised_guest(
    merged: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(optimised.VARIABLE, "optimised")
    with Supervisor(cells=1, limits={"wall_s": 0.3}) as supervisor:
        asked = "import sys, json; sys._is_immortal(json.loads)"
        assert supervisor.run(asked).value is True
        assert supervisor.run("import time; time.sleep(60)").verdict is Verdict.TIMEOUT
        assert supervisor.statistics().pools[0].kills == {}


def test_optimising_again_builds_nothing(merged: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(optimised.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")

    assert image.ensure(optimise=True, progress=None).kind == "code"


def test_a_recorder_hears_the_optimised_guest(merged: Bench) -> None:
    host = Recorder()
    ended = merged.run(order("import sys; sys.stderr.write('e'); print('o')"), host)

    assert (ended.verdict, host.out) == (Verdict.OK, {"stdout": b"o\n", "stderr": b"e"})
