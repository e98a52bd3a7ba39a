"""A few things at once, in order, with the first error ending it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def in_parallel(function: Callable[[A], B], items: list[A], threads: int) -> list[B]:
    """`function` of every item, in order. Raises what the first failing one raises."""
    if len(items) < 2:
        return [function(item) for item in items]
    return list(streamed(function, items, threads))


def streamed(function: Callable[[A], B], items: Iterable[A], threads: int) -> Iterator[B]:
    """`function` of every item, in order, at most `threads` of them made and not yet taken.

    Ended early (an error, a generator that is closed), it waits for those that run and starts no other.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="nuvtui-remote") as pool:
        waiting: deque[Future[B]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
