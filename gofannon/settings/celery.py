"""Celery: doorbells over Redis/Valkey. A message carries an id; the database is the truth."""

from gofannon import embedded, env

REDIS_URL = env.secret("REDIS_URL") or embedded.valkey_url(env.var_dir())

# kombu spells a unix socket differently from redis-py.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "global_keyprefix": env.secret("REDIS_PREFIX") or "gofannon:",
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
# A doorbell is a hint: one that is lost costs two seconds, and one that is kept could end a worker with the broker.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = env.integer("WORKER_CONCURRENCY", 16, low=1, high=500)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = {
    "housekeeping": {"task": "billing.tasks.housekeeping", "schedule": 3600.0},
    "retention": {"task": "workflows.tasks.forget", "schedule": 3600.0},
}
