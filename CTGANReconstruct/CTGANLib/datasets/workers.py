"""The same work on many things with all cores: processes that leave nothing behind, even when they are killed."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from ..errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Starting processes takes a second or two; that much work is done before they would be there.
_TOO_FEW = 2
_ENVIRONMENT = {
    # One thread a process: all cores are busy with cases of their own.
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    # The memory of one volume is kept for the next: glibc would hand it back, and Linux clear each page of it again.
    **dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(1 << 30)),
}


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def work(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[Item, Result]]:
    """Each item with the function's result, as they are finished.

    Args:
        function: of a module's top level; it and the results travel between processes.
        items: what it is called with.

    Raises:
        UserError: a process was ended from outside.
    """
    count = min(cores(), len(items))
    if len(items) <= _TOO_FEW or count == 1:
        yield from ((item, function(item)) for item in items)
        return
    # Spawned, since a fork would copy the threads' locks of torch and ITK.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin)
    try:
        with _environment():
            items_of = {pool.submit(function, item): item for item in items}
        for future in as_completed(items_of):
            yield items_of.pop(future), future.result()
    except BrokenProcessPool as error:
        raise UserError(
            "A process that was reading CTs has been ended from outside, perhaps because memory ran out.",
            "Close other programs and start again; what is done is kept.",
        ) from error
    finally:
        # Cancelled, what is under way comes to its end: a process ended while it hands over a result would leave the
        # pool waiting for the rest of it for ever.
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _environment() -> Iterator[None]:
    """The environment that processes are started in; their libraries read it when they are loaded."""
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _begin() -> None:
    """Prepare a process of the pool: one thread, no answer to cancelling (its parent has one), no life after it."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent cannot end its processes, and they would wait for work for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)
