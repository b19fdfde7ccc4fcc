"""`/ready`: whether this installation can do its work, part by part."""

import logging
from datetime import timedelta
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from gofannon.lib.clock import DatabaseNow
from workflows.models import Worker

log = logging.getLogger(__name__)
HEARD_WITHIN = timedelta(seconds=10)


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 where database, broker and a worker answer, else 503; `sandbox` tells what each runtime said of itself."""
    worker, database = _newest_worker()
    parts: dict[str, Any] = {"database": database, "broker": _broker()}
    parts["worker"] = "ok" if worker is not None else "none was heard from within 10 s"
    ok = all(state == "ok" for state in parts.values())
    # Anybody may ask: which checks were made, and how, is for the admin.
    told = worker.sandbox if worker is not None else {}
    sandbox = {name: {word: state.get(word) for word in ("available", "reason")} for name, state in told.items()}
    degraded = sorted(name for name, state in sandbox.items() if not state.get("available"))
    body = {"ready": ok, "parts": parts, "sandbox": sandbox, "degraded": degraded}
    return JsonResponse(body, status=200 if ok else 503)


def _newest_worker() -> tuple[Worker | None, str]:
    try:
        heard = Worker.objects.filter(role="worker", heard_at__gt=DatabaseNow(-HEARD_WITHIN.total_seconds()))
        return heard.order_by("-heard_at").first(), "ok"
    except DatabaseError:
        log.exception("ready: the database")
        return None, "does not answer"


def _broker() -> str:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)
    try:
        client.ping()
    except (redis.RedisError, OSError):
        log.exception("ready: the broker")
        return "does not answer"
    finally:
        client.close()
    return "ok"
