"""One try of one delivery: built from what is stored, signed, sent."""

import time

from billing import webhook_secrets
from billing.models import User
from gofannon.lib import http
from gofannon.lib.connections import give_back_connection
from workflows.models import Delivery, Run
from workflows.webhooks.body import body_of
from workflows.webhooks.outcome import NO_ACTOR, Outcome, retry_after
from workflows.webhooks.signing import signed_headers

TIMEOUT_SECONDS = 10.0
# Nobody reads the answer; it is read so far, so that the connection ends in order.
MOST_ANSWER_BYTES = 64 << 10


def send(delivery: Delivery) -> Outcome:
    """Sends it once. While it does, this thread holds no database connection."""
    run = Run.objects.get(pk=delivery.run_id)
    # A secret belongs to somebody: for those who have left, nothing goes out.
    actor_id = run.actor_id
    if actor_id is None or not User.objects.filter(pk=actor_id, is_active=True).exists():
        return Outcome(error=NO_ACTOR)
    secret = webhook_secrets.ensure_secret(user_id=actor_id)
    body = body_of(delivery, run)
    headers = {
        "content-type": "application/json",
        "user-agent": "Gofannon",
        **signed_headers(message_id=delivery.pk, timestamp=int(time.time()), body=body, secret=secret),
    }
    give_back_connection()
    try:
        response = http.request(
            "POST",
            delivery.url,
            headers=headers,
            content=body,
            timeout=TIMEOUT_SECONDS,
            max_bytes=MOST_ANSWER_BYTES,
            redirects=0,
        )
    except http.HttpError as error:
        # A receiver that has said yes has heard it, whatever became of the rest of its answer.
        return Outcome(error.status, error=error.code)
    return Outcome(response.status, retry_after=retry_after(response.headers))
