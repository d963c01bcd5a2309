"""What a worker process runs: first what ends it with its parent, then the jobs that it is sent, one after the other.

Started as a file, not as a module of the package: importing vcbench and PyTorch takes seconds, and before that this file
must have seen to it that the process ends when its parent does. It imports the standard library alone.
"""

from __future__ import annotations

import ctypes
import gc
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


def end_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent is gone, even within a call that holds the interpreter's lock."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended before


def receive(channel: Connection, jobs: queue.SimpleQueue[bytes]) -> None:
    """Take jobs, up to the empty one that says there are no more; end the process when the parent's end is closed.

    On a thread of its own, as that must be noticed in the middle of a job also where the kernel cannot do it.
    """
    content = b"some"
    try:
        while content:
            content = channel.recv_bytes()
            jobs.put(content)
        channel.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def work(channel: Connection, threads: int, pickled: bytes) -> None:
    """Run a job; send ("progress", ...) messages, then one ("result", value) or ("error", message, by the user, trace)."""
    lock = threading.Lock()

    def send(*message: Any) -> None:
        content = pickle.dumps(message)
        with lock:
            channel.send_bytes(content)

    def progress(done: int, total: int, note: str = "") -> None:
        send("progress", done, total, note)

    try:
        job = pickle.loads(pickled)
        if "torch" in sys.modules:  # else OMP_NUM_THREADS is read when it is imported
            sys.modules["torch"].set_num_threads(threads)
        send("result", job.function(**job.arguments, progress=progress))
    except Exception as error:
        from vcbench.base.errors import UserError

        send("error", str(error), isinstance(error, UserError), traceback.format_exc())


def main(descriptor: int, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to every process; the parent ends its workers
    end_with_parent(parent)
    channel = Connection(descriptor)
    try:
        sys.path[:], threads, pickled = pickle.loads(channel.recv_bytes())
    except (EOFError, OSError):
        os._exit(1)  # the parent ended while it sent the job
    jobs = queue.SimpleQueue[bytes]()
    threading.Thread(target=receive, args=(channel, jobs), daemon=True).start()
    while pickled:
        work(channel, threads, pickled)
        gc.collect()
        pickled = jobs.get()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
