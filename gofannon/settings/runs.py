"""Runs: how many at once, how deep they call each other, how long they wait for somebody."""

from gofannon import env

# How many runs of one user, or of one agent, are worked on at once; the others wait. 0: no limit.
RUNS_PER_USER = env.integer("RUNS_PER_USER", 0, low=0, high=100_000)
RUNS_PER_AGENT = env.integer("RUNS_PER_AGENT", 0, low=0, high=100_000)

CALL_DEPTH = env.integer("CALL_DEPTH", 5, low=0, high=50)
CALL_FANOUT = env.integer("CALL_FANOUT", 50, low=0, high=10_000)

APPROVAL_TOOLS = env.words("APPROVAL_TOOLS")
APPROVAL_SECONDS = env.integer("APPROVAL_SECONDS", 7 * 86_400, low=1, high=366 * 86_400)
