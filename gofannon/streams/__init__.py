"""Answers that stay open, on the event loop: no thread and no database connection for each.

`accept` tells who wants one, `authorization` who may have it, `readers` are the threads that read the database for all
of them, `subscription` hears from `workflows.bus` what there is to read, `hub` knows every open stream of the process
and `run_events` is the stream of a run.
"""
