"""The rows of the table: each module measures one thing in `measure()`."""

ROWS = {
    "start": "bench.rows.start:measure",
    "idle_memory": "bench.rows.idle_memory:measure",
    "sync_run": "bench.rows.sync_run:measure",
    "ticket": "bench.rows.ticket:measure",
}
