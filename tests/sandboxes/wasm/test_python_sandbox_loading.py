"""An image is loaded or refused with its reason, and a backend leaves nothing when it is closed."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import pytest

from protocol.messages import Verdict
from sandboxes.errors import ImageError
from sandboxes.wasm import backend, binding, conversation
from sandboxes.wasm.engine import Engine, Settings
from tests.sandboxes.wasm import programs
from tests.sandboxes.wasm.engine_kit import Bench, GuestThread, Recorder, order, setup


# --- loading -------------------------------------------------------------------------------------
def test_an_image_that_is_missing_or_none_is_refused(
    guest_thread: GuestThread, tmp_path: Path
) -> None:
    (tmp_path / "rubbish").write_bytes(b"rubbish" * 100)
    for name in ("missing", "rubbish"):
        with pytest.raises(ImageError, match="is not loaded"):
            guest_thread.do(partial(backend.load, setup(str(tmp_path / name))))


def test_an_image_compiled_with_other_settings_is_refused(
    base_image: str, fuel_image: str, guest_thread: GuestThread
) -> None:
    for path, fuel in ((base_image, True), (fuel_image, False)):
        with pytest.raises(ImageError, match="is not loaded"):
            guest_thread.do(partial(backend.load, setup(path, fuel=fuel)))


def test_a_component_that_is_no_guest_is_refused(guest_thread: GuestThread, tmp_path: Path) -> None:
    path = programs.compiled(tmp_path, programs.component())
    with pytest.raises(ImageError, match="exports no function 'run'"):
        guest_thread.do(lambda: backend.load(setup(path)))


def test_a_backend_can_be_closed_and_loaded_again(
    base_image: str, guest_thread: GuestThread
) -> None:
    def cycle() -> bool:
        loaded = backend.load(setup(base_image))
        sandbox = loaded.fresh()
        ended = sandbox.run(order("print(1)"), Recorder())
        sandbox.close()
        loaded.close()
        loaded.close()
        return ended.verdict is Verdict.OK

    assert guest_thread.do(cycle)
    assert guest_thread.do(cycle)


def test_nothing_is_kept_of_closed_sandboxes(bench: Bench) -> None:
    before = len(conversation._open)
    kept = [bench.fresh() for _ in range(5)]
    assert len(conversation._open) == before + 5
    for sandbox in kept:
        bench.thread.do(sandbox.close)
    assert len(conversation._open) == before


def test_engines_of_several_threads_do_not_disturb_each_other(base_image: str) -> None:
    outcomes: list[bool] = []

    def work() -> None:
        thread = GuestThread()
        loaded = thread.do(lambda: backend.load(setup(base_image)))
        own = Bench(loaded, thread)
        outcomes.extend(own.say(f"print({n})") == f"{n}\n" for n in range(5))
        thread.do(loaded.close)
        thread.end()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [True] * 10


def test_an_engine_that_was_closed_is_not_interrupted() -> None:
    engine = Engine(binding.load(), Settings())
    engine.close()
    engine.interrupt()
