"""The page opens from disk, asks the network for nothing, and escapes what it is given."""

from __future__ import annotations

import os
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from riskparams.proposals.evidence import Evidence
from riskparams.proposals.page import render_page

LARGEST = 7_000_000


class Outline(HTMLParser):
    """Collects addresses, ids and the text outside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.scripts = 0
        self.words: list[str] = []
        self._silent = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent = tag in ("script", "style")
        self.scripts += tag == "script"
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    return found


def test_the_page_loads_nothing_from_elsewhere(evidence: Evidence) -> None:
    found = outline(render_page(evidence))
    assert found.addresses
    assert all(address.startswith("#") or address == "data:," for address in found.addresses)


def test_the_page_is_one_file_of_reasonable_size(evidence: Evidence) -> None:
    page = render_page(evidence)
    assert len(page.encode()) <= LARGEST
    assert page.count("plotly.js v") == 1


def test_ids_are_fixed_and_unique(evidence: Evidence) -> None:
    ids = outline(render_page(evidence)).ids
    assert len(ids) == len(set(ids))
    assert {"alpha-usd-price", "bravo-usd-haircut", "bravo-usd-parameters", "alpha-usd-backtest", "pooled-backtest"} <= set(ids)


def test_the_same_evidence_gives_the_same_page(evidence: Evidence) -> None:
    assert render_page(evidence) == render_page(evidence)


def test_a_simulated_market_is_named(evidence: Evidence) -> None:
    words = outline(render_page(evidence)).words
    assert any(line.strip().startswith("SIMULATED:") for line in words)


def test_observed_prices_are_not_called_simulated(observed: Evidence) -> None:
    assert not any("SIMULATED" in line for line in outline(render_page(observed)).words)


def test_a_page_without_some_evidence_says_so(changed: Evidence) -> None:
    words = " ".join(outline(render_page(changed)).words)
    assert not {"None", "nan", "inf", "null", "NaN"} & set(words.split())


def test_names_are_escaped(data: dict[str, Any]) -> None:
    name = "<script>alert(1)</script>"
    before = outline(render_page(Evidence(data=data))).scripts
    data["study"]["name"] = name
    data["pairs"][0].update(pair=f"{name}/USD", collateral=name)
    page = render_page(Evidence(data=data))
    assert name not in page
    assert outline(page).scripts == before
    assert f"{name}/USD" in "".join(outline(page).words)


def test_the_page_states_the_numbers_of_the_proposal(evidence: Evidence) -> None:
    text = " ".join(outline(render_page(evidence)).words).replace("\u00a0", " ")
    for said in ("93.0 %", "92.7 % to 93.3 %", "Explanation:", "cannot be validated", "riskparams run sample.toml",
                 "What happened to borrowers", "How far the recommended parameters moved"):  # fmt: skip
        assert said in text


@pytest.mark.browser
def test_the_page_draws_every_chart_offline_and_without_complaint(evidence: Evidence, tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = os.environ.get("RISKPARAMS_CHROMIUM") or shutil.which("chromium")
    if not chromium:
        pytest.skip("no Chromium: set RISKPARAMS_CHROMIUM or install the package chromium")
    path = tmp_path / "index.html"
    path.write_text(render_page(evidence), encoding="utf-8")
    complaints: list[str] = []
    asked: list[str] = []
    with sync_api.sync_playwright() as playwright:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        for width in (1400, 420):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: asked.append(request.url))
            page.goto(path.as_uri())
            page.wait_for_selector("body[data-drawn]", timeout=60_000)
            plots = page.locator(".plot")
            assert plots.count() == 9
            for row in range(plots.count()):
                assert plots.nth(row).locator("svg.main-svg").count() > 0
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.screenshot(path=tmp_path / f"page-{width}.png", full_page=True)
        browser.close()
    assert complaints == []
    assert [address for address in asked if not address.startswith("file:")] == []
