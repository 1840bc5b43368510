"""No order of events breaks a promise of a machine's link, or keeps a run for ever.

`World` checks each thing that the core says, as it is said; here chance chooses what happens.
"""

from __future__ import annotations

import random

import pytest

from executor.link.events import NobodyListens, PullEnded
from protocol.links import Deny, Stop
from protocol.messages import Done, Output, Placed, Verdict
from tests.link.link_world import TENANT, World, request

STEPS = 250


class Chance:
    """One life of a link, in which chance chooses every event."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.world = World()
        self.number = 0
        self.placed: set[int] = set()
        self.is_loop_up = False
        self.world.feed_time()

    def step(self) -> None:
        """Let one thing happen that may happen now."""
        world = self.world
        possible = [self.wait, self.wait, self.wait_silently, self.noise]
        if world.is_connected:
            possible += [self.deliver] * 4 + [self.cut, self.pull_ends]
            possible += [self.answer] * 4 + [self.acknowledge] * 4 + [self.stop, self.unheard]
        else:
            possible += [world.connect, world.connect, world.fail]
        if self.is_loop_up:
            possible += [self.loop_works] * 6 + [world.pulse, self.loop_dies]
        else:
            possible += [self.loop_begins] * 2
        self.chance.choice(possible)()

    def wait(self) -> None:
        self.world.pass_time(self.chance.choice([0.0, 0.1, 1.0, 4.0]), pulses=self.is_loop_up)

    def wait_silently(self) -> None:
        self.world.pass_time(self.chance.choice([0.5, 3.0, 15.0]), pulses=False)

    def noise(self) -> None:
        self.world.hear(self.chance.randbytes(30))

    def deliver(self) -> None:
        if self.chance.random() < 0.2 and self.number:
            number = self.chance.randint(1, self.number)  # once more
        else:
            self.number = number = self.number + 1
        self.world.deliver(request(number), delivery=self.chance.randint(1, 9))

    def cut(self) -> None:
        self.world.disconnect()

    def pull_ends(self) -> None:
        self.world.feed(PullEnded(self.chance.randint(1, 40), is_early=self.chance.random() < 0.5))

    def answer(self) -> None:
        if self.world.claims:
            _, claim = self.chance.choice(self.world.claims[-6:])
            if claim.refusal or self.chance.random() < 0.2:
                self.world.say(Deny(claim.lease, self.chance.choice([0, 700])))
            else:
                self.world.grant(claim.lease)

    def some_lease(self) -> int | None:
        return self.chance.choice(list(self.world.loop)) if self.world.loop else None

    def acknowledge(self) -> None:
        said: dict[int, int] = {}
        for _, piece, _ in self.world.pieces:
            said[piece.lease] = max(piece.seq, said.get(piece.lease, 0))
        if said:
            lease = self.chance.choice(list(said))
            known = len(self.world.frames_of(lease))
            if known:
                seq = self.chance.randint(1, known)
                if seq == known or lease not in self.world.ended:
                    self.world.ack(lease, seq)

    def stop(self) -> None:
        if (lease := self.some_lease()) is not None:
            self.world.say(Stop(lease, self.chance.choice(["cancelled", "revoked"])))

    def unheard(self) -> None:
        if (lease := self.some_lease()) is not None:
            self.world.feed(NobodyListens(lease, TENANT))

    def loop_works(self) -> None:
        lease = self.some_lease()
        if lease is None or self.world.loop[lease].has_ended:
            return
        if lease not in self.placed:
            self.placed.add(lease)
            self.world.loop_says(lease, Placed(1, 0))
        elif self.chance.random() < 0.5:
            self.world.loop_says(lease, Output("stdout"), (b"x" * 1_000,))
        else:
            self.world.loop_says(lease, Done(Verdict.OK))

    def loop_dies(self) -> None:
        if self.chance.random() < 0.3:
            self.is_loop_up = False
            self.world.loop_lost()

    def loop_begins(self) -> None:
        self.is_loop_up = True
        self.world.loop_up()

    def heal(self) -> None:
        """Let everything work, and everybody answer, until nothing is left to do."""
        world = self.world
        if not world.is_connected:
            while world.state in ("connecting", "reconnecting") and not world.is_connecting:
                world.step()
            world.connect()
        if not self.is_loop_up:
            self.loop_begins()
        for _ in range(400):
            world.pass_time(0.5)
            for _, claim in world.claims[-20:]:
                world.say(Deny(claim.lease))
            for lease, known in list(world.loop.items()):
                if not known.has_ended:
                    world.loop_says(lease, Done(Verdict.OK))
            for lease in {piece.lease for _, piece, _ in world.pieces}:
                world.ack(lease, len(world.frames_of(lease)))
            if not world.count("leases"):
                return
        raise AssertionError(f"leases are kept for ever: {world.core.details(world.now)}")


@pytest.mark.parametrize("seed", range(60))
def test_no_order_of_events_breaks_a_promise_or_keeps_a_run_for_ever(seed: int) -> None:
    life = Chance(seed)
    for _ in range(STEPS):
        if life.world.state in ("given_up", "closed"):
            return
        life.step()
    life.heal()

    assert life.world.state == "active"


@pytest.mark.parametrize("seed", range(25))
def test_a_drain_at_any_moment_ends_in_time(seed: int) -> None:
    life = Chance(1_000 + seed)
    for _ in range(life.chance.randint(1, 120)):
        if life.world.state in ("given_up", "closed"):
            return
        life.step()
    life.world.drain(3)
    life.world.pass_time(3.1, pulses=life.is_loop_up)

    assert life.world.state in ("closed", "given_up")
    assert life.world.is_over
