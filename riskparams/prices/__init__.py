"""Prices in: candles from files or the bundled market, checked, hashed, never looking ahead."""
