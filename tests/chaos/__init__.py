"""Chaos: real processes under load are killed, stopped and cut off at random, and nothing may be lost or done twice.

`python -m tests.chaos` (`make chaos`) runs it; see `options` for its environment.
"""
