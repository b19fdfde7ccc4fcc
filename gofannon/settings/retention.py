"""How long what happened is kept. 0 days: for ever."""

from gofannon import env

_MOST_DAYS = 36_500

RETAIN_DELTAS_DAYS = env.integer("RETAIN_DELTAS_DAYS", 7, low=0, high=_MOST_DAYS)
RETAIN_EVENTS_DAYS = env.integer("RETAIN_EVENTS_DAYS", 90, low=0, high=_MOST_DAYS)
RETAIN_RUNS_DAYS = env.integer("RETAIN_RUNS_DAYS", 0, low=0, high=_MOST_DAYS)
RETAIN_DELIVERIES_DAYS = env.integer("RETAIN_DELIVERIES_DAYS", 30, low=0, high=_MOST_DAYS)
