"""What a Celery worker process does besides hearing doorbells: it beats, it sweeps, it proves its sandbox."""

import dataclasses
import logging
import threading
from typing import Any

from celery import signals
from django.conf import settings

from agents import sandbox
from workflows import heartbeat, leases
from workflows.models import Worker
from workflows.sweeper import Sweeper
from workflows.webhooks.sender import Sender

log = logging.getLogger(__name__)
# A run that has not ended or made a call in this time is taken over by another worker.
DRAIN_SECONDS = 20.0
_sweeper: Sweeper | None = None
_sender: Sender | None = None


@signals.worker_ready.connect
def begin(**_: Any) -> None:
    global _sweeper, _sender
    heartbeat.start(for_good=True)
    _sweeper = Sweeper(settings.CELERY_WORKER_CONCURRENCY)
    _sweeper.start()
    _sender = Sender()
    _sender.start()
    threading.Thread(target=prove_sandbox, name="sandbox-selftest", daemon=True).start()


def prove_sandbox() -> None:
    """Runs what is missing of the self-test, so that no run has to wait for it; the verdicts go to `/ready`."""
    verdicts = {runtime: sandbox.verify(runtime) for runtime in sandbox.RUNTIMES}
    for runtime, verdict in verdicts.items():
        if not verdict.available:
            log.warning("sandbox: %s is off: %s", runtime, verdict.reason)
    heartbeat.report_sandbox({runtime: dataclasses.asdict(verdict) for runtime, verdict in verdicts.items()})


@signals.worker_shutting_down.connect
def drain(**_: Any) -> None:
    heartbeat.leave()
    if _sweeper is not None:
        _sweeper.stop()
    if _sender is not None:
        _sender.stop()


@signals.worker_shutdown.connect
def say_goodbye(**_: Any) -> None:
    """Lets the sweeper's runs end, too, while the interpreter still works; nobody waits to learn that it is gone."""
    heartbeat.wait_for_runs(DRAIN_SECONDS)
    Worker.objects.filter(pk=leases.holder()).delete()
