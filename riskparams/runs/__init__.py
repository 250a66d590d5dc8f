"""Runs: what a run is, where it is kept, whether there is anything new to do."""
