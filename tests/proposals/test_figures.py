"""The figures draw what the evidence holds, to the same bytes each time."""

from __future__ import annotations

import io
from typing import Any

import pytest

from riskparams.proposals import charts, series
from riskparams.proposals.evidence import Evidence
from riskparams.proposals.figures import figures
from riskparams.proposals.words import settled

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def drawn(whole: Evidence) -> dict[str, bytes]:
    return figures(whole)


def test_each_pair_has_its_figures(drawn: dict[str, bytes]) -> None:
    assert set(drawn) == {
        "figures/backtest.png",
        *(f"figures/{pair}-{kind}.png" for pair in ("alpha-usd", "bravo-usd") for kind in ("price", "haircut", "parameters")),
    }
    assert all(content.startswith(PNG) for content in drawn.values())


def test_the_same_evidence_gives_the_same_bytes_whatever_the_readers_style(drawn: dict[str, bytes], evidence: Evidence) -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 24, "axes.facecolor": "black"}):
        assert figures(evidence) == drawn


def test_figures_are_wide_enough_for_a_forum(drawn: dict[str, bytes]) -> None:
    from matplotlib.image import imread

    for content in drawn.values():
        assert imread(io.BytesIO(content)).shape[:2] == (700, 1200)


@pytest.mark.parametrize("simulated", [True, False])
def test_simulated_prices_are_marked_in_every_figure(
    data: dict[str, Any], simulated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    saved: list[str] = []
    save = Figure.savefig

    def watched(self: Figure, *args: Any, **options: Any) -> None:
        saved.append(" ".join(text.get_text() for text in self.texts))
        save(self, *args, **options)

    monkeypatch.setattr(Figure, "savefig", watched)
    data["study"]["simulated"] = simulated
    del data["pairs"][1:]
    figures(Evidence(data=data))
    assert len(saved) == 4
    assert all(("SIMULATED" in words) is simulated for words in saved)


def test_missing_evidence_leaves_figures_out(changed: Evidence) -> None:
    del changed.data["pairs"][1:]
    drawn = figures(changed)
    assert all(content.startswith(PNG) for content in drawn.values())
    assert ("figures/backtest.png" in drawn) is bool(changed.data["pooled"])


def test_a_liquidation_level_is_the_close_before_the_refit_times_ltv_over_threshold(data: dict[str, Any]) -> None:
    pair = settled(data)["pairs"][0]
    pair["history"] = {name: values[-2:] for name, values in pair["history"].items()}
    levels = series.liquidation_levels(pair)
    assert levels is not None
    assert levels.date == ["2024-04-20", "2024-05-18", "2024-05-31"]
    close = pair["prices"]["close"][pair["prices"]["date"].index("2024-04-19")]
    assert levels.recommended[0] == pytest.approx(close * 0.865 / 0.92)
    assert levels.current is not None
    assert levels.current[0] == pytest.approx(close * 0.78 / 0.81)


def test_a_level_uses_no_later_price(data: dict[str, Any]) -> None:
    before = series.liquidation_levels(data["pairs"][0])
    prices = data["pairs"][0]["prices"]
    cut = prices["date"].index("2024-04-20")
    prices["close"][cut:] = [10 * value for value in prices["close"][cut:]]
    after = series.liquidation_levels(data["pairs"][0])
    assert before is not None
    assert after is not None
    assert after.recommended[:6] == before.recommended[:6]
    assert after.recommended[6] == pytest.approx(10 * before.recommended[6])


def test_bars_of_the_haircut_chart_end_at_the_haircut(data: dict[str, Any]) -> None:
    for pair in data["pairs"]:
        bars = charts.haircut(pair)["data"][0]
        ends = [start + width for start, width in zip(bars["base"], bars["x"], strict=True)]
        assert ends[-2] == pytest.approx(100 * pair["recommended"]["haircut"]["value"], rel=1e-4)
        assert ends[-1] == pytest.approx(ends[-2], rel=1e-4)
