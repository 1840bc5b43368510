"""Kinds of sandbox from the host's side: which pool a run goes to, what is refused and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from executor import Image, ImageFailed, Limits, Misuse, Mount, Supervisor, Unavailable
from executor.images import check_reachable, compiled_image, native_image
from executor.kinds import Choice, NativeImage, sharing
from executor.options import Defaults, make_plan
from executor.pools import Needs, Pools, Sizes
from protocol.messages import DefinePool
from sandboxes.errors import ImageError
from sandboxes.wasm.image import Compiled
from tests.executor.api.host import Host

NATIVE = ["process", "interpreter"]


def pools_of(host: Host, choice: Choice, cells: int = 4) -> Pools:
    return Pools(
        host.client,
        compiled=lambda fuel: Compiled("/image", "0" * 64, "key"),
        sizes=Sizes(cells=cells, spares=1, stock=2, queue_max=10),
        limits=Limits(),
        is_jailed=True,
        choice=choice,
        native=lambda: NativeImage(("/lib",), ("numpy",)),
    )


def number(pools: Pools, **options: Any) -> int:
    return pools.take(make_plan("1", options, Defaults()), "holder")  # type: ignore[arg-type]  # any


def defined(host: Host) -> DefinePool:
    message = host.peer.receive()[0]
    assert isinstance(message, DefinePool)
    return message


def test_a_process_serves_one_run_and_any_tenants(host: Host) -> None:
    pools = pools_of(host, Choice("process"))

    pool = defined(host)
    assert (pool.kind, pool.single_use, pool.slots, pool.cells_max) == ("process", True, 1, 4)
    assert (pool.image_path, pool.libraries, pool.preload) == ("", ("/lib",), ("numpy",))
    assert number(pools, kind="process", tenant="a") == number(pools, kind="process", tenant="b")


@pytest.mark.parametrize(
    "choice",
    [Choice("process", "tenant"), Choice("interpreter"), Choice("interpreter", "tenant")],
    ids=["process", "interpreter", "interpreter asked for"],
)
def test_cells_that_native_guests_use_again_serve_one_tenant(host: Host, choice: Choice) -> None:
    pools = pools_of(host, choice)

    plain = defined(host)
    numbers = [number(pools, kind=choice.kind, tenant=tenant) for tenant in ("", "a", "b", "a")]
    assert not plain.single_use
    assert numbers == [1, 2, 3, 2]
    assert pools.serves(2, "a")
    assert not pools.serves(2, "b")
    assert not pools.serves(1, "a")


@pytest.mark.parametrize(
    ("cells", "expected"), [(1, (1, 1)), (4, (1, 4)), (64, (1, 64)), (65, (2, 64))]
)
def test_interpreters_stand_side_by_side_in_as_few_cells_as_can_be(
    host: Host, cells: int, expected: tuple[int, int]
) -> None:
    pools_of(host, Choice("interpreter"), cells)

    pool = defined(host)
    assert (pool.cells_max, pool.slots) == expected


def test_a_run_may_be_of_another_kind_than_its_supervisor(host: Host) -> None:
    pools = pools_of(host, Choice("wasm"))

    numbers = [number(pools, kind=kind) for kind in ("wasm", *NATIVE, "wasm")]

    assert numbers == [1, 2, 3, 1]
    assert [defined(host).kind for _ in range(3)] == ["wasm", *NATIVE]


@pytest.mark.parametrize("kind", ["wasm", *NATIVE])
def test_a_cell_for_one_run_has_one_slot(kind: Any) -> None:
    assert sharing(kind, "run", 8) == (False, True, 1)
    assert sharing(kind, "tenant", 8).by_tenant


def test_needs_of_other_tenants_are_the_same_where_cells_serve_all() -> None:
    assert Needs(fuel=False, memory_bytes=1).tenant is None


# --- refused -------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", NATIVE)
@pytest.mark.parametrize(
    ("options", "argument"),
    [({"limits": {"fuel": 10}}, "limits['fuel']"), ({"module": b""}, "module")],
    ids=["fuel", "module"],
)
def test_what_a_native_guest_cannot_be_held_to_is_refused_with_the_fix(
    kind: str, options: dict[str, Any], argument: str
) -> None:
    code = None if "module" in options else "1"

    with pytest.raises(Misuse, match="kind='wasm'") as refused:
        Supervisor().plan(code, {"kind": kind, **options})  # type: ignore[typeddict-item]  # any

    assert refused.value.argument == argument


def test_a_native_supervisor_takes_no_fuel() -> None:
    with pytest.raises(Misuse, match="fuel counts Wasm instructions"):
        Supervisor(kind="process", limits=Limits(fuel=1))


@pytest.mark.parametrize(
    ("options", "argument"),
    [({"kind": "thread"}, "kind"), ({"reuse": "always"}, "reuse")],
)
def test_a_kind_that_is_none_is_refused(options: dict[str, Any], argument: str) -> None:
    with pytest.raises(Misuse, match="must be ") as refused:
        Supervisor(**options)

    assert refused.value.argument == argument
    with pytest.raises(Misuse, match='must be "wasm", "process" or "interpreter"'):
        Supervisor().plan("1", {"kind": "thread"})  # type: ignore[typeddict-item]  # the point


def test_in_a_lighter_jail_a_native_guest_sees_a_directory_where_it_is(tmp_path: Path) -> None:
    supervisor = Supervisor(kind="process", jail="light")
    there, elsewhere = Mount(str(tmp_path), str(tmp_path)), Mount(str(tmp_path), "/data")

    supervisor.plan("1", {"mounts": [there]})
    supervisor.plan("1", {"mounts": [elsewhere], "kind": "wasm"})
    with pytest.raises(Misuse, match="or use jail='full'"):
        supervisor.plan("1", {"mounts": [elsewhere]})


def test_a_session_stays_of_its_kind() -> None:
    with Supervisor().session(kind="process") as session, pytest.raises(Misuse, match="kind"):
        session.run("1", kind="wasm")


# --- guarantees ----------------------------------------------------------------------------------
def test_what_is_required_is_required_of_every_kind_that_is_run() -> None:
    supervisor = Supervisor(require=["state"])

    supervisor.plan("1", {"kind": "process"})
    with pytest.raises(Unavailable, match="share a process") as missing:
        supervisor.plan("1", {"kind": "interpreter"})

    assert missing.value.guarantee == "state"


@pytest.mark.parametrize(
    ("kind", "reuse", "held"),
    [
        ("process", None, True),
        ("process", "tenant", False),
        ("interpreter", None, False),
        ("interpreter", "run", True),
        ("wasm", "tenant", True),
    ],
)
def test_runs_that_share_a_process_are_not_promised_their_state(
    kind: Any, reuse: Any, held: bool
) -> None:
    found = {g.name: g for g in Supervisor(kind=kind, reuse=reuse).guarantees()}

    assert found["state"].held == held
    assert all(g.held for name, g in found.items() if name != "state")
    if not held:
        assert found["state"].missing[0].remedy == "kind='process', or reuse='run'"


@pytest.mark.parametrize("kind", NATIVE)
def test_a_native_guest_without_a_jail_is_promised_nothing(kind: Any) -> None:
    for guarantee in Supervisor(kind=kind, jail="none").guarantees():
        assert not guarantee.held
        assert "no wall" in guarantee.reason
    with pytest.raises(Unavailable, match="no wall"):
        Supervisor(kind=kind, jail="none", require=["network"])


@pytest.mark.parametrize("kind", NATIVE)
def test_where_there_are_no_walls_a_native_guest_has_to_be_asked_for_without(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")

    with pytest.raises(Misuse, match="ask for jail='none' by name"):
        Supervisor(kind=kind)
    Supervisor(kind=kind, jail="none")


# --- images --------------------------------------------------------------------------------------
def test_native_guests_find_what_is_installed_here_and_what_is_added(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")

    found = native_image(Image(preload=["json", "pydantic", "mine"], libraries=[str(tmp_path)]))

    assert found.preload == ("json", "pydantic", "mine")
    assert found.libraries[-1] == str(tmp_path)
    assert native_image(None).libraries == found.libraries[:-1]


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (
            Image(preload=["no_such_module"]),
            "no module 'no_such_module' for native guests; install",
        ),
        (Image(preload=["os; import x"]), "is no name of a module"),
        (Image(libraries=["/no/such/place"]), "is not a directory"),
    ],
)
def test_what_an_image_names_and_is_not_there_is_told_before_anything_is_started(
    image: Image, problem: str
) -> None:
    with pytest.raises(ImageError, match=problem):
        native_image(image)
    supervisor = Supervisor(image, kind="process")
    with pytest.raises(ImageFailed, match=problem):
        supervisor.open()
    supervisor.close()


@pytest.mark.skipif(os.getuid() != 0, reason="the cells of this user are its own")
def test_interpreters_whose_library_is_closed_to_their_cells_are_refused_with_the_directory(
    tmp_path: Path,
) -> None:
    closed = tmp_path / "closed"
    (closed / "library").mkdir(parents=True)
    closed.chmod(0o700)
    image = NativeImage((str(closed / "library"),))

    with pytest.raises(ImageError, match="is closed to others; use jail='full'"):
        check_reachable(image, "interpreter", "light")
    check_reachable(image, "interpreter", "full")
    check_reachable(image, "process", "light")


def test_an_image_for_another_kind_of_guest_is_refused_and_not_ignored() -> None:
    with pytest.raises(Misuse, match="name it in preload"):
        native_image(Image(packages=["attrs"]))
    with pytest.raises(Misuse, match="name packages and preimport"):
        compiled_image(Image(preload=["numpy"]), fuel=False, is_quick=False)
    both = Image(preimport=["json"], preload=["json"])
    assert native_image(both).preload == ("json",)
