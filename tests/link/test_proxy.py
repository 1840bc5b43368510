"""The fault proxy does what its faults are called, or no test that uses it means anything."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.link.proxy import FaultProxy

PATIENCE_S = 10.0
#: Long enough for loopback to deliver what is going to be delivered.
SILENCE_S = 0.1


@pytest.fixture
def echo() -> Iterator[int]:
    """Give the port of a server that says everything back."""

    def serve(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            while data := sock.recv(1 << 16):
                sock.sendall(data)

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=serve, args=(sock,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(echo: int) -> Iterator[FaultProxy]:
    with FaultProxy(echo) as started:
        yield started


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_S) as sock:
        sock.sendall(b"ready")
        assert exactly(sock, 5) == b"ready"
        yield sock


def exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := sock.recv(count - len(data))):
        data += more
    return data


def assert_silent(sock: socket.socket) -> None:
    sock.settimeout(SILENCE_S)
    with pytest.raises(TimeoutError):
        sock.recv(1)
    sock.settimeout(PATIENCE_S)


def test_what_is_sent_while_it_is_frozen_arrives_when_it_thaws(
    proxy: FaultProxy, client: socket.socket
) -> None:
    proxy.freeze()
    client.sendall(b"held")
    assert_silent(client)

    proxy.thaw()

    assert exactly(client, 4) == b"held"


def test_what_a_black_hole_takes_never_arrives(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.swallow("to_client")
    client.sendall(b"gone")
    assert_silent(client)

    proxy.heal()

    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_trickle_loses_nothing_and_keeps_the_order(
    proxy: FaultProxy, client: socket.socket
) -> None:
    proxy.trickle()
    client.sendall(bytes(range(200)))

    assert exactly(client, 200) == bytes(range(200))


def test_a_delay_holds_each_piece_back_and_no_longer(
    proxy: FaultProxy, client: socket.socket
) -> None:
    proxy.delay(2 * SILENCE_S)
    client.sendall(b"late")
    assert_silent(client)

    assert exactly(client, 4) == b"late"


def test_a_cut_ends_connections_and_leaves_the_way_open_for_new_ones(
    proxy: FaultProxy, client: socket.socket
) -> None:
    proxy.cut()

    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_S) as another:
        another.sendall(b"hello")
        assert exactly(another, 5) == b"hello"


def test_while_it_refuses_no_connection_lives(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.refuse()

    with pytest.raises(ConnectionResetError):
        client.recv(1)
    answer = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        another = socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_S)
        with another:
            another.sendall(b"hello")
            answer = another.recv(1)
    assert answer == b""
    proxy.heal()
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_S) as another:
        another.sendall(b"hello")
        assert exactly(another, 5) == b"hello"
