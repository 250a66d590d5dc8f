"""Settings, read once at the edge: a study is one question asked of the package."""

from riskparams.settings.fields import parse_moment
from riskparams.settings.history import HistorySection
from riskparams.settings.pairs import PairSection
from riskparams.settings.stress import StressSection
from riskparams.settings.study import CoverageSection, Study, load_study

__all__ = ["CoverageSection", "HistorySection", "PairSection", "StressSection", "Study", "load_study", "parse_moment"]
