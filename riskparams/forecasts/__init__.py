"""Forecasts: what the models say of the next bar, made with what was known before it."""
