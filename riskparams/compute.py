"""One seam for "map this over assets": serial here and now, or over local processes; the results are identical."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

    def map(self, function: Callable[[T], R], tasks: Sequence[T], done: Callable[[T], None] = lambda _: None) -> list[R]:
        """Return `function(task)` for each task, in their order; `done` is told of each one as its turn comes."""
        if self.workers <= 1 or len(tasks) <= 1:
            results = (function(task) for task in tasks)
        else:
            from joblib import Parallel, delayed

            pool = Parallel(n_jobs=self.workers, backend="loky", batch_size=1, return_as="generator")
            results = pool(delayed(function)(task) for task in tasks)
        gathered = []
        for task, result in zip(tasks, results, strict=True):
            done(task)
            gathered.append(result)
        return gathered
