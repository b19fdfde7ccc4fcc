"""Measures what the platform costs: `python -m bench [row ...]` prints a table and writes bench/RESULTS.md.

CPU milliseconds of all our processes are the figure to trust on a shared machine; each stands beside a floor that was
measured in the same run.
"""
