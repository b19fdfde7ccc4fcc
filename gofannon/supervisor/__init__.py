"""`python -m gofannon.supervisor`: the whole platform on one machine as one foreground process.

It owns the port and the state directory, prepares the database, starts Valkey, worker, beat and web as children, starts
a dead one again and leaves nothing behind. Nothing here imports Django's applications: the children do.
"""
