"""What cells of the zygote tests run, named as "bodies:NAME". Imported in the zygote.

A cell in the full jail finds no file, so everything is imported here.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import resource
import socket
import threading
import time

_held: list[object] = []


def nothing() -> None:
    """Preload nothing."""


def open_a_file() -> None:
    """Preload a descriptor that cells keep, as an image does."""
    _held.append(os.open("/etc/hostname", os.O_RDONLY | os.O_CLOEXEC))


def start_a_thread() -> None:
    """Preload as no hook may."""
    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()


def fail() -> None:
    """Preload in vain."""
    raise RuntimeError("no such image")


def say(fd: int, text: str) -> None:
    os.write(fd, text.encode())


def wait_for_the_end(fd: int) -> None:
    """Answer nothing until the supervisor closes the socket."""
    while os.read(fd, 4_096):
        pass


def echo(fd: int) -> None:
    """Say hello, then everything that is said."""
    say(fd, "hello")
    while data := os.read(fd, 4_096):
        os.write(fd, data)


def report(fd: int) -> None:
    """Tell what a cell sees of itself."""
    limits = resource.getrlimit(resource.RLIMIT_DATA)[0]
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    say(fd, f"{os.getpid()} {os.getppid()} {os.getuid()} {limits} {nice} {os.uname().nodename}")
    wait_for_the_end(fd)


def descriptors(fd: int, *more: int) -> None:
    """Tell which descriptors are open, and read from those given."""
    found = []
    for descriptor in range(64):
        try:
            os.get_inheritable(descriptor)
            found.append(descriptor)
        except OSError:
            continue
    given = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=m).recv(99) for m in more]
    say(fd, f"{found} {list(more)} {given}")
    wait_for_the_end(fd)


def exit_with_7(fd: int) -> None:
    """End by ourselves."""
    os._exit(7)


def crash(fd: int) -> None:
    """End by a fault."""
    ctypes.string_at(0)


def raise_an_error(fd: int) -> None:
    """Fail as a body."""
    raise RuntimeError("a body that fails")


def be_killed_by_the_filter(fd: int) -> None:
    """Make a call that no cell has."""
    socket.socket()


def count_threads(fd: int) -> None:
    """Start threads until the kernel refuses."""
    started = 0
    _thread.stack_size(64 << 10)
    try:
        while started < 200:
            _thread.start_new_thread(time.sleep, (30,))
            started += 1
    except RuntimeError:
        pass
    say(fd, str(started))
    wait_for_the_end(fd)


def work_and_exit(fd: int) -> None:
    """Use some processor time and memory."""
    taken = bytearray(b"\1") * (32 << 20)
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    os._exit(taken[0] - 1)


def spin(fd: int) -> None:
    """Say hello and never look at the socket again."""
    say(fd, "hello")
    while True:
        pass


def files(fd: int) -> None:
    """Obey "read PATH", "write PATH BYTES", "list PATH", "rename A B": answer or the errno."""
    say(fd, "hello")
    while request := os.read(fd, 4_096).decode():
        verb, _, rest = request.partition(" ")
        try:
            say(fd, _obey(verb, rest.split(" ")))
        except OSError as error:
            say(fd, f"errno {error.errno}")


def _obey(verb: str, words: list[str]) -> str:
    if verb == "read":
        with open(words[0]) as file:
            return file.read()
    if verb == "write":
        with open(words[0], "wb") as file:
            file.writelines(b"\1" * 4_096 for _ in range(int(words[1]) // 4_096))
            file.write(b"\1" * (int(words[1]) % 4_096))
        return "written"
    if verb == "rename":
        os.rename(words[0], words[1])
        return "renamed"
    return " ".join(sorted(os.listdir(words[0]))) or "nothing"
