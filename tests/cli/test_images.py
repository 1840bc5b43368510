"""A name given to an image stands for what it consists of, and only for its own user."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from executor.cli import images
from executor.cli.flags import Given, UsageError
from sandboxes.wasm.image import Image

type Cellblock = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_CACHE", str(tmp_path / "cache"))


def test_an_image_is_found_by_its_name() -> None:
    image = Image(("attrs>=24,<26", "rich"), ("attrs",))
    images._write_name("my-data_2", image)

    assert images.image_named(Given("--image", "my-data_2")) == image


def test_an_image_is_named_by_its_packages_where_it_has_no_name() -> None:
    found = images.image_named(Given("--image", "attrs>=24,<26 rich"))

    assert found == Image(("attrs>=24,<26", "rich"))
    assert images.image_named(Given("--image", "attrs")) == Image(("attrs",))


def test_an_empty_image_is_refused() -> None:
    with pytest.raises(UsageError, match="--image must be a name or packages"):
        images.image_named(Given("--image", " "))


@pytest.mark.parametrize("mode", [0o622, 0o660])
def test_a_name_that_others_may_change_stands_for_nothing(tmp_path: Path, mode: int) -> None:
    images._write_name("data", Image(("attrs",)))
    (tmp_path / "cache/names/data").chmod(mode)

    assert images.image_named(Given("--image", "data")) == Image(("data",))


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "x" * 65, "caf\u00e9"])
def test_a_name_cannot_lead_out_of_its_folder(name: str) -> None:
    with pytest.raises(UsageError, match="--name must be up to 64"):
        images._check_name(Given("--name", name))


def test_the_names_are_listed(cellblock: Cellblock, tmp_path: Path) -> None:
    images._write_name("data", Image(("attrs",)))
    cache = str(tmp_path / "cache")

    table = cellblock("image", "list", CELLBLOCK_CACHE=cache)
    plain = cellblock("image", "list", "--json", CELLBLOCK_CACHE=cache)

    assert table.stdout.splitlines()[-1].split() == [b"data", b"attrs"]
    assert json.loads(plain.stdout)["names"]["data"]["packages"] == ["attrs"]


def test_an_empty_cache_has_nothing_to_prune(cellblock: Cellblock, tmp_path: Path) -> None:
    done = cellblock("image", "prune", CELLBLOCK_CACHE=str(tmp_path / "cache"))

    assert (done.returncode, done.stdout) == (0, b"deleted 0 of the cache's files, 0 MB\n")
