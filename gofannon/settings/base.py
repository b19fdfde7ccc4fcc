"""What every Django project sets: apps, database, security, static files, logs."""

import secrets
from typing import Any

import django_stubs_ext
from cryptography.fernet import Fernet, MultiFernet
from django.core.exceptions import ImproperlyConfigured

from gofannon import env

# Makes Django's generic classes subscriptable at run time, as the annotations write them.
django_stubs_ext.monkeypatch()

BASE_DIR = env.BASE_DIR
VAR_DIR = env.var_dir()
PRODUCTION = env.boolean("GOFANNON_PRODUCTION", default=False)
ROLE = env.choice("GOFANNON_ROLE", "command", ("command", "prepare", "web", "worker", "beat"))
PAGELESS = ("prepare", "worker", "beat")
DEBUG = env.boolean("DEBUG", default=False)
PORT = env.integer("PORT", 8000, low=1, high=65535)
WEB_THREADS = env.integer("WEB_THREADS", 16, low=1, high=500)
RUN_THREADS = env.integer("RUN_THREADS", 32, low=1, high=500)
RUN_THREADS_PER_USER = env.integer("RUN_THREADS_PER_USER", max(1, RUN_THREADS // 2), low=1, high=500)
STREAMS = env.integer("STREAMS", 2000, low=1, high=20_000)
STREAMS_PER_USER = env.integer("STREAMS_PER_USER", 50, low=1, high=20_000)


def _required(name: str, fresh: str, file: str) -> str:
    value = env.secret(name)
    if value:
        return value
    if PRODUCTION:
        raise ImproperlyConfigured(f"{name} (or {name}_FILE) must be set when GOFANNON_PRODUCTION is true")
    return env.kept_secret(VAR_DIR / file, fresh)


SECRET_KEY = _required("SECRET_KEY", secrets.token_urlsafe(64), "secret-key")
if PRODUCTION and len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("SECRET_KEY must have at least 50 characters when GOFANNON_PRODUCTION is true")
# Newest first: the first key encrypts, all of them decrypt.
ENCRYPTION_KEYS = _required("ENCRYPTION_KEYS", Fernet.generate_key().decode(), "encryption-keys").split(",")
try:
    MultiFernet([Fernet(key.strip()) for key in ENCRYPTION_KEYS])
except ValueError as error:
    raise ImproperlyConfigured("ENCRYPTION_KEYS: Fernet keys (32 bytes in URL-safe base64), by commas") from error
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "" if PRODUCTION else "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("DEBUG must be false when GOFANNON_PRODUCTION is true")
if PRODUCTION and (not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS):
    raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts when GOFANNON_PRODUCTION is true")

INSTALLED_APPS = [
    "gofannon.apps.GofannonConfig",
    "unfold",
    # Processes that show no page load no admin pages: 20 MB and half a second less.
    "django.contrib.admin.apps.SimpleAdminConfig" if ROLE in PAGELESS else "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "billing",
    "agents",
    "workflows",
    "tickets",
    "demos",
]
MIDDLEWARE = [
    "gofannon.lib.rest.request_id.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "gofannon.urls"
WSGI_APPLICATION = "gofannon.wsgi.application"
APPEND_SLASH = True  # the admin's links want it; the API has no trailing slashes and no redirects
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_USER_MODEL = "billing.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def database(url: str) -> dict[str, Any]:
    """Django's settings for one database URL, with the options that the run spine relies on."""
    config: dict[str, Any] = env.env.db_url_config(url)
    if not str(config.get("ENGINE", "")).endswith(("sqlite3", "postgresql")):
        raise ImproperlyConfigured("DATABASE_URL: postgresql://user:password@host/name or sqlite:///path is expected")
    options: dict[str, Any] = config.setdefault("OPTIONS", {})
    if config["ENGINE"].endswith("sqlite3"):
        # FULL: a power cut must not undo the intent of an effect that has already left the house.
        options.update(
            transaction_mode="IMMEDIATE",
            timeout=30,
            init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        )
        config["CONN_MAX_AGE"] = None
    else:
        # Both below the lease of 8 s, so that a frozen process holds nobody.
        # A server that has vanished is noticed before a lease runs out.
        options |= {"connect_timeout": 3, "tcp_user_timeout": 5000}
        options |= {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 2}
        options["options"] = "-c lock_timeout=5s -c idle_in_transaction_session_timeout=6s -c timezone=UTC"
        if ROLE in ("web", "worker"):
            # Their threads wait for much longer than they ask: a connection is held for the asking only.
            config["ENGINE"] = "gofannon.lib.postgresql"
            config["CONN_MAX_AGE"] = 0
            most = env.integer("DATABASE_POOL", 24, low=2, high=500)
            options["pool"] = {"min_size": 1, "max_size": most, "timeout": 5, "reconnect_timeout": 3}
        else:
            config["CONN_MAX_AGE"] = 300
            config["CONN_HEALTH_CHECKS"] = True
    return config


DATABASES = {"default": database(env.secret("DATABASE_URL") or f"sqlite:///{VAR_DIR / 'gofannon.sqlite3'}")}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
# Served straight from the packages, so that no collectstatic stands between a clone and a page with style.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

DATA_UPLOAD_MAX_MEMORY_SIZE = env.integer("MAX_BODY_BYTES", 4 * 1024 * 1024, low=1024, high=1 << 30)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = PRODUCTION and env.boolean("SECURE_SSL_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.boolean("BEHIND_PROXY", default=False) else None
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 31_536_000, low=0, high=1 << 31) if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    # Two lines a job say nothing that the run's own events do not.
    "loggers": {name: {"level": "WARNING"} for name in ("celery.worker.strategy", "celery.app.trace")},
    "root": {"handlers": ["console"], "level": env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))},
}
