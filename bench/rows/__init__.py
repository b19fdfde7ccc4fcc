"""The rows of the table: each module measures one thing in `measure()`."""

ROWS = {
    "start": "bench.rows.start:measure",
    "idle_memory": "bench.rows.idle_memory:measure",
    "sync_run": "bench.rows.sync_run:measure",
    "ticket": "bench.rows.ticket:measure",
    "recovery": "bench.rows.recovery:measure",
    "streams": "bench.rows.streams:measure",
    "waiting": "bench.rows.waiting:measure",
    "append": "bench.rows.append:measure",
}
