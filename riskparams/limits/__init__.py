"""Limits: caps, the fund and the score; what a haircut cannot carry is bounded here."""
