"""The test suite's settings: a fast password hasher, and a state directory and database of each test process's own."""

import os
import tempfile

_worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
# The verdicts on the sandbox hold for the machine: one test process finds them, the others read them.
os.environ["SANDBOX_CACHE_DIR"] = os.path.join(tempfile.gettempdir(), f"gofannon-test-sandbox-{os.getuid()}")
os.environ["GOFANNON_VAR"] = tempfile.mkdtemp(prefix=f"gofannon-test-{_worker}-")

from gofannon.settings import *  # noqa: E402, F403
from gofannon.settings.base import DATABASES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ALLOWED_HOSTS = ["*"]
# A file, not memory: real workers and threads share it.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": os.path.join(os.environ["GOFANNON_VAR"], "test.sqlite3")}
