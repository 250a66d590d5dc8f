"""One seam for "map this over assets": serial here and now, or over local processes; the results are identical."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Executor:
    """Maps a picklable function over tasks, in order.

    >>> Executor().map(abs, [-1, 2])
    [1, 2]
    """

    workers: int = 1

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> list[R]:
        """Return `function(task)` for each task, in the order of the tasks."""
        if self.workers <= 1:
            return [function(task) for task in tasks]
        from joblib import Parallel, delayed

        results: list[R] = Parallel(n_jobs=self.workers, backend="loky", batch_size=1)(delayed(function)(task) for task in tasks)
        return results
