"""Fixtures of the Wasm tests: images are built once, backends loaded once, guests have a thread."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandboxes.wasm import backend, image
from tests.sandboxes.wasm.engine_kit import Bench, GuestThread, setup


@pytest.fixture(scope="session")
def base_image() -> str:
    """The compiled base guest."""
    return image.ensure(progress=None).path


@pytest.fixture(scope="session")
def fuel_image() -> str:
    """The base guest, compiled to count instructions."""
    return image.ensure(fuel=True, progress=None).path


@pytest.fixture(scope="session")
def guest_thread() -> Iterator[GuestThread]:
    """The thread that guests run on."""
    thread = GuestThread()
    yield thread
    thread.end()


@pytest.fixture(scope="session")
def bench(base_image: str, guest_thread: GuestThread) -> Bench:
    """A backend with the base guest."""
    return Bench(guest_thread.do(lambda: backend.load(setup(base_image))), guest_thread)


@pytest.fixture(scope="session")
def fuel_bench(fuel_image: str, guest_thread: GuestThread) -> Bench:
    """A backend that counts instructions."""
    loaded = guest_thread.do(lambda: backend.load(setup(fuel_image, fuel=True)))
    return Bench(loaded, guest_thread)
