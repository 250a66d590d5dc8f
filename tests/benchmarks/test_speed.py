"""What the package costs in time and memory, against limits; `make bench` prints the figures and writes README.md.

Kernels are timed as the best of several calls, commands as they feel to a user: with the interpreter's start.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from benchmark_ledger import Ledger, seconds

from riskparams.terms import DAY, Asset, FloatArray, Pair

pytestmark = pytest.mark.benchmark

STUDIES = Path(__file__).resolve().parents[2] / "studies"
RISKPARAMS = Path(sys.executable).with_name("riskparams")
USD = Asset("USD")


@dataclass(frozen=True)
class Spent:
    """What a command took: seconds on the wall, seconds of processor, the largest sum of resident memory in GB."""

    seconds: float
    processor: float
    peak: float


def spent(*arguments: str | Path, cwd: Path, cache: Path | None = None) -> Spent:
    """Run `riskparams` to its end, watching the memory of its process and of all it starts five times a second.

    Pages that processes share are counted in each, so the peak is an upper bound.
    """
    environment = os.environ | ({"NUMBA_CACHE_DIR": str(cache)} if cache else {})
    peak = 0.0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    child = subprocess.Popen(
        [RISKPARAMS, *arguments], cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.2):
            peak = max(peak, resident(child.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = child.communicate()
    seconds = time.perf_counter() - start
    ended.set()
    watcher.join()
    assert child.returncode == 0, output.decode()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(seconds, processor, peak / 2**30)


def resident(root: int) -> int:
    """Return the bytes of memory that a process and its descendants hold; 0 where the system does not tell."""
    parents, sizes = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            pages = int((folder / "statm").read_text().split()[1])
        except (OSError, IndexError):
            continue  # it ended while we looked
        parents[int(folder.name)] = int(status[1])
        sizes[int(folder.name)] = pages * os.sysconf("SC_PAGE_SIZE")
    family = {root}
    while more := {process for process, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(sizes.get(process, 0) for process in family)


def test_help_answers_at_once(ledger: Ledger, tmp_path: Path) -> None:
    spent("--help", cwd=tmp_path)
    taken = median(spent("--help", cwd=tmp_path).seconds for _ in range(10))
    ledger.note("`riskparams --help`, median of 10", taken, "s", at_most=0.5)


def test_the_demo_is_short_the_first_time_and_the_second(ledger: Ledger, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first, second = (spent("demo", cwd=tmp_path, cache=cache) for _ in range(2))
    ledger.note("`riskparams demo`, peak memory of all processes", max(first.peak, second.peak), "GB", at_most=4)
    ledger.note("`riskparams demo`, processor time, second time", second.processor, "s")
    ledger.note("`riskparams demo`, second time", second.seconds, "s", at_most=30)
    ledger.note("`riskparams demo`, first time, kernels compiled", first.seconds, "s", at_most=60)


def test_the_majors_take_minutes(ledger: Ledger, market_data: Path, tmp_path: Path) -> None:
    arguments = ("--prices", market_data.resolve() / "prices", "--as-of", "2024-06-01", "--out", tmp_path)
    whole = spent("run", STUDIES / "majors.toml", *arguments, cwd=tmp_path)
    ledger.note("`riskparams run studies/majors.toml`, peak memory of all processes", whole.peak, "GB", at_most=4)
    ledger.note("the same, processor time", whole.processor, "s")
    ledger.note("the same, 8 pairs and 126 weekly refits", whole.seconds, "s", at_most=150)


def test_our_estimator_is_faster_than_arch_at_the_same_optimum(ledger: Ledger) -> None:
    from arch import arch_model

    from riskparams.prices.sample import index_market
    from riskparams.returns import log_returns
    from riskparams.volatility.garch import fit_garch
    from riskparams.volatility.model import GarchSpec

    returns = 100 * log_returns(index_market(), Pair(Asset("SPX"), USD)).value
    model = arch_model(returns, mean="Zero", vol="GARCH", p=1, o=1, dist="t", rescale=False)
    free = GarchSpec(targeted=False)
    ours, theirs = median(seconds(lambda: fit_garch(returns, free), 7)), median(seconds(lambda: model.fit(disp="off"), 7))
    targeted = median(seconds(lambda: fit_garch(returns, GarchSpec()), 7))
    gained = fit_garch(returns, free).log_likelihood - model.fit(disp="off").loglikelihood
    ledger.note(f"GJR-t fit of {len(returns):,} returns, free intercept, ours (three starting points)", 1e3 * ours, "ms")
    ledger.note("the same, `arch` (one)", 1e3 * theirs, "ms")
    ledger.note("`arch` over ours", theirs / ours, "times", at_least=1)
    ledger.note("log-likelihood, ours less `arch`", gained, "", at_least=-1e-3)
    ledger.note("the same fit, variance-targeted, the default", 1e3 * targeted, "ms")


def test_paths_cost_nanoseconds_a_bar(ledger: Ledger) -> None:
    from arch import arch_model

    from riskparams.paths.model import ModelSpec, fit_path_model
    from riskparams.paths.simulate import StartLaw, path_law, streams
    from riskparams.paths.trigger import TriggerSpec, deepest_moves, simulate_drops
    from riskparams.prices.sample import simulated_market
    from riskparams.returns import log_returns

    pair = Pair(Asset("ALPHA"), USD)
    panel = simulated_market()
    model = fit_path_model(panel, pair, pair, ModelSpec())
    paths, bars = 80_000, 169
    law = path_law(model, StartLaw.TTC, bars=bars, paths=paths, streams=streams(1, StartLaw.TTC, str(pair)))
    spec = TriggerSpec(follow=bars - 1, wait=1, paths=paths, level=0.995, refine=False, threads=2)
    barriers = np.array([0.05, 0.1, 0.2])
    returns = 1_000 * log_returns(panel, pair).value[-17_520:]
    theirs = arch_model(returns, mean="Zero", vol="GARCH", p=1, o=1, dist="t", rescale=False).fit(disp="off")

    def peer() -> object:
        return theirs.forecast(horizon=bars, method="bootstrap", simulations=20_000, reindex=False)

    alone = 1e9 * min(seconds(lambda: deepest_moves(law, threads=2), 9)) / (paths * bars)
    triggered = 1e9 * min(seconds(lambda: simulate_drops(lambda _: law, barriers, spec), 9)) / (paths * bars)
    arch = 1e9 * min(seconds(peer, 3)) / (20_000 * bars)
    ledger.note("path simulation, two cores", alone, "ns per path and bar", at_most=8)
    ledger.note("the same with trigger and three barriers", triggered, "ns per path and bar", at_most=12)
    ledger.note("bootstrap forecast of `arch`, 20,000 paths", arch, "ns per path and bar")
    ledger.note("`arch` over path simulation", arch / alone, "times", at_least=38)


def test_a_recommendation_in_full_takes_seconds(ledger: Ledger, market_data: Path) -> None:
    from dataclasses import replace
    from datetime import UTC, datetime

    from riskparams.pipeline.change_advice import ChangeControl
    from riskparams.pipeline.in_full import recommend_in_full
    from riskparams.pipeline.known_prices import as_known, load_prices
    from riskparams.settings import load_study
    from riskparams.terms import nanoseconds

    study = load_study(STUDIES / "majors.toml", {})
    panel = as_known(study, load_prices(study, market_data / "prices"), nanoseconds(datetime(2024, 6, 1, tzinfo=UTC)))
    task = replace(study.tasks()[0], threads=2)

    def recommend() -> object:
        return recommend_in_full(
            task,
            panel,
            cohort=study.cohort(),
            rules=study.rules(panel.bar),
            control=ChangeControl(limits=study.change.build(), materiality=study.change.worth()),
            exposure=study.pairs[0].exposed(),
        )

    recommend()
    taken = min(seconds(recommend, 3))
    ledger.note(
        "recommendation of ETH/USD in full, 80,000 paths: intervals, profiles, front, sensitivity", taken, "s", at_most=5
    )


def test_a_replay_costs_nanoseconds_an_account_and_bar(ledger: Ledger) -> None:
    from riskparams.backtest.liquidation import LiquidationRules
    from riskparams.backtest.market import pair_market
    from riskparams.backtest.positions import Cohort, draw_borrowers
    from riskparams.backtest.replay import replay
    from riskparams.backtest.schedule import ParameterSchedule
    from riskparams.parameters.risk_parameters import ObservedParameters
    from riskparams.prices.sample import simulated_market

    panel = simulated_market()
    pair = Pair(Asset("ALPHA"), USD)
    market = pair_market(panel[pair.collateral], pair, bar=panel.bar)
    start, end = panel.last - 2 * 365 * DAY, panel.last
    terms = ObservedParameters(max_ltv=0.8, liquidation_threshold=0.83, liquidation_bonus=0.05)
    borrowers = draw_borrowers(Cohort(), 10_000, terms, np.random.default_rng(1))
    schedule = ParameterSchedule.constant(terms, start)

    def play() -> object:
        return replay(market, schedule, borrowers, LiquidationRules(), start=start, end=end)

    cells = len(borrowers) * (end - start) / panel.bar
    ledger.note("replay, one core", 1e9 * min(seconds(play, 3)) / cells, "ns per account and bar", at_most=30)


def test_the_watch_over_memory_sees_what_a_process_holds() -> None:
    before = resident(os.getpid())
    held: FloatArray = np.ones(25_000_000)
    assert resident(os.getpid()) - before > 0.9 * held.nbytes or before == 0
