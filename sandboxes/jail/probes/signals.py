"""Probes on other processes, by signal and by setting. The victim is another cell."""

from __future__ import annotations

import os
import resource
import signal

from sandboxes.jail import kernel
from sandboxes.jail.probes.probe import Judge, Target, probe
from sandboxes.jail.steps import Wall

#: Landlock keeps signals inside its domain; other settings of a process it does not know.
_SIGNAL = (Wall.PROCESSES, Wall.LANDLOCK, Wall.SECCOMP)
_SETTING = (Wall.PROCESSES, Wall.SECCOMP)


@probe(Judge.VICTIM, *_SIGNAL)
def kill(target: Target) -> object:
    """Kill another cell."""
    os.kill(target.victim_pid, signal.SIGKILL)
    return True


@probe(Judge.VICTIM, *_SIGNAL)
def stop(target: Target) -> object:
    """Stop another cell, so that it runs into its deadline."""
    os.kill(target.victim_pid, signal.SIGSTOP)
    return True


@probe(Judge.VICTIM, *_SIGNAL)
def kill_thread(target: Target) -> object:
    """Kill another cell by one of its threads."""
    kernel.call("tgkill", target.victim_pid, target.victim_pid, signal.SIGKILL)
    return True


@probe(Judge.VICTIM, *_SIGNAL)
def kill_by_queue(target: Target) -> object:
    """Kill another cell with a signal that carries data."""
    information = kernel.buffer(bytes((9, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255)) + bytes(116))
    kernel.call("rt_sigqueueinfo", target.victim_pid, signal.SIGKILL, information)
    return True


@probe(Judge.VICTIM, *_SIGNAL)
def kill_by_descriptor(target: Target) -> object:
    """Kill another cell through a process descriptor opened by its number."""
    signal.pidfd_send_signal(os.pidfd_open(target.victim_pid), signal.SIGKILL)
    return True


@probe(Judge.VICTIM, *_SIGNAL)
def kill_all(target: Target) -> object:
    """Kill every process that can be seen; the zygote's process namespace contains it."""
    # Process 1 is the zygote: only inside its namespace is this line allowed to run.
    assert target.zygote_pid == 1
    assert os.getppid() in (0, 1)
    os.kill(-1, signal.SIGKILL)
    return True


@probe(Judge.VICTIM, Wall.GROUP, Wall.LANDLOCK, Wall.SECCOMP)
def kill_group(target: Target) -> object:
    """Kill our own process group, which reaches past process namespaces."""
    del target
    os.kill(0, signal.SIGKILL)
    return True


@probe(Judge.VICTIM, Wall.DESCRIPTORS, *_SIGNAL)
def kill_by_inherited_descriptor(target: Target) -> object:
    """Kill other cells through process descriptors inherited from the zygote."""
    del target
    for descriptor in range(4, 64):
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except (OSError, ValueError):
            continue
    return True


@probe(Judge.ZYGOTE, Wall.LANDLOCK, Wall.SECCOMP, strength="light")
def kill_zygote(target: Target) -> object:
    """Kill the zygote."""
    os.kill(target.zygote_pid, signal.SIGKILL)
    return True


@probe(Judge.VICTIM, *_SETTING)
def renice(target: Target) -> object:
    """Take processor time from another cell."""
    os.setpriority(os.PRIO_PROCESS, target.victim_pid, 19)
    return True


@probe(Judge.VICTIM, *_SETTING)
def pin(target: Target) -> object:
    """Pin another cell to one processor."""
    os.sched_setaffinity(target.victim_pid, {min(os.sched_getaffinity(0))})
    return True


@probe(Judge.VICTIM, *_SETTING)
def limit_resources(target: Target) -> object:
    """Lower a resource limit of another cell."""
    resource.prlimit(target.victim_pid, resource.RLIMIT_NOFILE, (5, 5))
    return True
