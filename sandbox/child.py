"""The host process: prepares, locks itself down, and only then reads untrusted text.

process.py starts it as a fresh interpreter. Descriptor 0 carries requests, 1 carries replies, 2 is /dev/null, and
further descriptors are the shared memory. Modes: "score" (a RewardHost), "product" (a ProductHost), "gate" (static
checks), "replay" (a module), "outcomes" (an OutcomesHost).
"""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import signal
import struct
import sys
import unicodedata  # noqa: F401 - the parser wants it for names beyond ASCII, when nothing can be imported any more
from collections.abc import Callable
from typing import Any

from . import lockdown, protocol, selftest
from .protocol import LOAD, REQUEST, TEXT_BYTES, HostError, Limits, Reply

_MOST_DESCRIPTORS = 1 << 16  # if the system does not list open descriptors
Handler = Callable[[int, int], Reply]


def main(input_fd: int, output_fd: int, lifeline_fd: int) -> None:
    """Prepare, lock down, and serve requests until the client closes the pipe.

    Args:
        input_fd: Descriptor of the shared memory of inputs.
        output_fd: Descriptor of the shared memory of text and results.
        lifeline_fd: Descriptor of a pipe whose other end closes when the trainer dies.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lockdown.die_with_the_lifeline(lifeline_fd)
    header_length = struct.unpack("<Q", _read(8))[0]
    config = json.loads(_read(header_length))
    blobs = [_read(length) for length in config["blobs"]]
    incoming = mmap.mmap(input_fd, 0, mmap.MAP_SHARED, mmap.PROT_READ)
    outgoing = mmap.mmap(output_fd, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    modes = {"score": _prepare_score, "product": _prepare_product, "gate": _prepare_gate, "replay": _prepare_replay,
             "outcomes": _prepare_outcomes}  # fmt: skip
    prepare = modes[config["mode"]]
    load, handle = prepare(config, blobs, incoming, outgoing)
    # Close everything except the pipes and the lifeline, including mmap's own copies of shared memory descriptors.
    for descriptor in _open_descriptors():
        if descriptor > 2 and descriptor != lifeline_fd:
            _close(descriptor)
    # The client requests the stack of a program that is late, and then kills it.
    faulthandler.register(signal.SIGUSR1, file=1, all_threads=False)
    held, refusals = _lock(config)
    report = [" ".join(sorted(held)), *(f"{layer}\t{why}" for layer, why in refusals.items() if why)]
    _answer(Reply(text_length=_write_text(outgoing, "\n".join(report))), bytes(16))
    _serve(load, handle, outgoing)


def _lock(config: dict[str, Any]) -> tuple[set[str], dict[str, str]]:
    """The layers in force, and the kernel's reasons for refusing others."""
    limits = Limits(**config["limits"])
    original, held = selftest.namespaces(), set[str]()
    refusals = lockdown.apply(
        limits.memory_mb,
        limits.cpu_seconds,
        config["watch_parent"],
        frozenset(config["without"]),
        lambda: held.update(selftest.before_seccomp(original)),
    )
    return held | selftest.after_seccomp(), refusals


def _serve(load: Callable[[str], Reply], handle: Handler, outgoing: mmap.mmap) -> None:
    while True:
        kind, nonce, first, second = REQUEST.unpack(_read(REQUEST.size))
        try:
            reply = load(_read(first).decode()) if kind == LOAD else handle(first, second)
        except HostError as problem:
            reply = Reply(error=problem)
        except MemoryError:
            reply = Reply(error=HostError("memory", "the program used more memory than its limit"))
        except BaseException as problem:
            reply = Reply(error=HostError("exception", f"{type(problem).__name__} outside of the program"))
        _answer(reply, nonce)


def _prepare_score(
    config: dict[str, Any], blobs: list[bytes], incoming: mmap.mmap, outgoing: mmap.mmap
) -> tuple[Callable[[str], Reply], Handler]:
    from .arrays import Rollout

    make = _program_maker(config, blobs)
    rollout = Rollout(incoming, outgoing, config["capacity"], config["schema"], config["action_width"])
    loaded: list[Any] = []

    def load(source: str) -> Reply:
        loaded.append(make(source))
        return Reply(text_length=_write_text(outgoing, " ".join(loaded[0].uses)))

    def score(steps: int, envs: int) -> Reply:
        if steps == 0:
            return loaded[0].settle()
        return loaded[0].score(*rollout.read(steps, envs), rollout.results(steps, envs))

    return load, score


def _prepare_product(
    config: dict[str, Any], blobs: list[bytes], incoming: mmap.mmap, outgoing: mmap.mmap
) -> tuple[Callable[[str], Reply], Handler]:
    from . import gate, walker

    make = _program_maker(config, blobs)
    loaded: list[walker.Walker] = []

    def load(source: str) -> Reply:
        blind = gate.ignores_action(source, config["functions"])
        loaded.append(walker.Walker(make(source), config, incoming, outgoing, blind))
        return Reply(text_length=_write_text(outgoing, " ".join(loaded[0].program.uses)))

    return load, lambda count, actions: loaded[0].handle(count, actions)


def _prepare_outcomes(
    config: dict[str, Any], blobs: list[bytes], incoming: mmap.mmap, outgoing: mmap.mmap
) -> tuple[Callable[[str], Reply], Handler]:
    from . import explorer, gate

    make = _program_maker(config, blobs)
    loaded: list[explorer.Explorer] = []

    def load(source: str) -> Reply:
        blind = gate.ignores_action(source, config["functions"])
        loaded.append(explorer.Explorer(make(source), config, incoming, outgoing, blind, source))
        return Reply(text_length=_write_text(outgoing, " ".join(loaded[0].program.uses)))

    return load, lambda count, actions: loaded[0].handle(count, actions)


def _program_maker(config: dict[str, Any], blobs: list[bytes]) -> Callable[[str], Any]:
    """A function that makes a scoring.Program from a text; all its imports happen now, before the lock."""
    import gc

    import numpy as np

    # The same modules in every mode that scores: a program should not be able to detect in which host it runs.
    from . import explorer, facade, gate, scoring, walker  # noqa: F401
    from .arrays import unpack_tables
    from .setup import HostSetup

    np.seterr(all="ignore")
    limits, schema = Limits(**config["limits"]), config["schema"]
    tables = unpack_tables(config["tables"], blobs)
    constants = protocol.action_constants(config["actions"])
    facades = facade.load_facades()
    names = {
        **constants,
        "Actions": facade.Facade("Actions", constants),
        "__builtins__": facade.reward_builtins(facades),
    }
    np.dot(np.zeros((8, 8)), np.zeros((8, 8)))  # BLAS allocates its buffers now, before the lock
    width, entries, whole = (config[name] for name in ("action_width", "entries", "whole"))
    setup = HostSetup(
        tuple(config["functions"]), schema, tables, action_width=width, entries=entries, whole=whole, limits=limits
    )
    # Every garbage collection visits tens of thousands of cached views, which took half of the time at Python's default
    # thresholds.
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    return lambda source: scoring.Program(source, setup, config["envs"], names)


def _prepare_gate(
    config: dict[str, Any], _: list[bytes], __: mmap.mmap, outgoing: mmap.mmap
) -> tuple[Callable[[str], Reply], Handler]:
    from . import facade, findings, gate

    for module in facade.MODULES:
        if not module.startswith("numpy"):
            facade.public_names(module)

    def load(source: str) -> Reply:
        found = gate.check(source, config["functions"], config["uses"], config["actions"])
        return Reply(text_length=_write_text(outgoing, findings.pack_findings(found, TEXT_BYTES)))

    return load, lambda *_: Reply()


def _prepare_replay(
    config: dict[str, Any], _: list[bytes], incoming: mmap.mmap, outgoing: mmap.mmap
) -> tuple[Callable[[str], Reply], Handler]:
    import numpy as np

    from . import facade, scoring
    from .arrays import read_arrays

    np.seterr(all="ignore")
    names = {"__builtins__": facade.module_builtins(facade.load_modules()), "__name__": "program"}
    result = np.frombuffer(outgoing, np.float64, offset=TEXT_BYTES).reshape(config["result_shape"])
    np.dot(np.zeros((8, 8)), np.zeros((8, 8)))  # BLAS allocates its buffers now, before the lock

    def load(source: str) -> Reply:
        scope = scoring.run_program(source, names)
        if not callable(scope.get("replay")):
            raise HostError("load", "the module defines no function replay(arrays)")
        try:
            found = np.asarray(scope["replay"](read_arrays(config["arrays"], incoming)))
            if found.dtype.kind not in "fiub" or found.shape != result.shape:
                message = f"replay returned {found.dtype} {found.shape} instead of float64 {result.shape}"
                raise HostError("value", message)
        except BaseException as problem:
            raise scoring.as_host_error(problem, "exception") from None
        result[...] = found
        return Reply()

    return load, lambda *_: Reply()


def _write_text(outgoing: mmap.mmap, text: str) -> int:
    raw = text.encode("utf-8", "replace")[:TEXT_BYTES]
    outgoing[: len(raw)] = raw
    return len(raw)


def _answer(reply: Reply, nonce: bytes) -> None:
    os.write(1, protocol.pack_reply(reply, nonce))


def _read(length: int) -> bytes:
    """Read exactly `length` bytes of the request pipe; exit the process if the client has closed it."""
    parts = []
    while length:
        part = os.read(0, min(length, 1 << 20))
        if not part:
            os._exit(0)
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _open_descriptors() -> list[int]:
    """All open descriptors, however large: a trainer with many open files passes on large numbers."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return [int(name) for name in os.listdir(folder)]  # noqa: PTH208
        except (OSError, ValueError):
            continue
    return list(range(_MOST_DESCRIPTORS))


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
