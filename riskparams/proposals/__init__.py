"""Proposals: what may be claimed, and the pages that claim it."""
