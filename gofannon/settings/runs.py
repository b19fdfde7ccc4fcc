"""Runs: how many at once, how deep they call each other, how long they wait for somebody."""

from gofannon import env

# How many runs of one user, or of one agent, are worked on at once; the others wait. 0: no limit.
RUNS_PER_USER = env.integer("RUNS_PER_USER", 0, low=0, high=100_000)
RUNS_PER_AGENT = env.integer("RUNS_PER_AGENT", 0, low=0, high=100_000)
# How many runs of one user may wait for a worker, for somebody or for each other.
RUNS_WAITING_PER_USER = env.integer("RUNS_WAITING_PER_USER", 10_000, low=1, high=10_000_000)

CALL_DEPTH = env.integer("CALL_DEPTH", 5, low=0, high=50)
CALL_FANOUT = env.integer("CALL_FANOUT", 50, low=0, high=10_000)
CALL_TOTAL = env.integer("CALL_TOTAL", 200, low=0, high=1_000_000)

APPROVAL_TOOLS = env.words("APPROVAL_TOOLS")
APPROVAL_SECONDS = env.integer("APPROVAL_SECONDS", 7 * 86_400, low=1, high=366 * 86_400)
