"""The settings, by topic. Every knob is an environment variable, listed in docs/settings.md."""

from gofannon.settings.admin import *  # noqa: F403
from gofannon.settings.base import *  # noqa: F403
from gofannon.settings.celery import *  # noqa: F403
from gofannon.settings.outbound import *  # noqa: F403
from gofannon.settings.rest import *  # noqa: F403
from gofannon.settings.retention import *  # noqa: F403
from gofannon.settings.runs import *  # noqa: F403
from gofannon.settings.sandbox import *  # noqa: F403
from gofannon.settings.webhooks import *  # noqa: F403
