"""Webhooks by the Standard Webhooks specification: a run's asker is told of its end, at least once.

`rows` stores what is to be told in the transaction that ends the run, `sender` is the thread that tells it.
"""
