"""Tails: how much further a residual may fall than the ones that were seen."""
