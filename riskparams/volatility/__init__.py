"""Volatility: how large the next move may be, given all moves so far."""
