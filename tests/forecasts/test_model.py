"""The models on offer: named, distinct, and looked up by name."""

from __future__ import annotations

import pytest

from riskparams.errors import ConfigError
from riskparams.forecasts.model import DEFAULT, MODELS, ResidualTail, bar_name, models_named
from riskparams.returns import HOUR
from riskparams.terms import DAY
from riskparams.volatility.model import EwmaSpec, GarchSpec


def test_every_model_is_found_under_its_own_name_and_none_is_another() -> None:
    assert [model.name for model in models_named(list(MODELS))] == list(MODELS)
    assert next(iter(MODELS.values())) is DEFAULT
    assert len({(m.variance, m.tail, m.seasonal, m.tail_share) for m in MODELS.values()}) == len(MODELS)


def test_peers_are_fitted_as_their_packages_fit_them() -> None:
    for name in ("garch-normal", "garch-t", "gjr-t", "gjr-skew-t", "gjr-gpd", "filtered-historical", "filtered-historical-qml"):
        spec = MODELS[name].variance
        assert isinstance(spec, GarchSpec)
        assert not spec.targeted
        assert not MODELS[name].seasonal
    assert MODELS["path-model"].variance == GarchSpec()
    assert MODELS["historical"].tail is ResidualTail.EMPIRICAL


def test_the_decay_of_ewma_is_that_of_the_bar() -> None:
    assert MODELS["ewma-normal"].spec(DAY) == EwmaSpec(decay=0.94)
    assert MODELS["ewma-normal"].spec(HOUR) == EwmaSpec(decay=0.985)
    assert MODELS["historical"].spec(DAY) is None


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"no forecast model 'gjr_t': did you mean 'gjr-t'\? known are component, path-model"):
        models_named(["component", "gjr_t"])
    with pytest.raises(ConfigError, match="no forecast model 'xyzzy': known are component"):
        models_named(["xyzzy"])


def test_a_model_named_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="'gjr-t' is named 2 times"):
        models_named(["gjr-t", "component", "gjr-t"])


@pytest.mark.parametrize(
    ("bar", "name"), [(7 * DAY, "7d"), (DAY, "1d"), (4 * HOUR, "4h"), (HOUR // 4, "15m"), (HOUR // 3600, "1s")]
)
def test_a_bar_is_named_in_its_largest_whole_unit(bar: int, name: str) -> None:
    assert bar_name(bar) == name
