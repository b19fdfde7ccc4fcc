"""`python -m tests.chaos`: holds one trial and prints its table; exit code 1 where anything went wrong."""

import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from gofannon import embedded
from tests.chaos import database
from tests.chaos.options import Options


def main() -> int:
    options = Options.from_environment()
    sys.stderr.write(f"chaos: seed {options.seed}, {options.database}, {options.workers} workers\n")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    var = Path(tempfile.mkdtemp(prefix="gofannon-chaos-"))
    try:
        with database.serve(options.database, var) as url:
            return _hold(options, var, url)
    finally:
        shutil.rmtree(embedded.runtime_dir(var), ignore_errors=True)
        shutil.rmtree(var, ignore_errors=True)


def _hold(options: Options, var: Path, url: str) -> int:
    os.environ |= {
        "GOFANNON_VAR": str(var),
        "DATABASE_URL": url,
        "REDIS_URL": embedded.valkey_url(var),
        "PGAPPNAME": database.OWN_NAME,
        "DJANGO_SETTINGS_MODULE": "gofannon.settings",
        "OUTBOUND_ALLOW": "127.0.0.1",
        "APPROVAL_SECONDS": "86400",
        "WORKER_CONCURRENCY": os.environ.get("WORKER_CONCURRENCY", "8"),
    }
    os.environ.setdefault("SANDBOX_CACHE_DIR", os.path.join(tempfile.gettempdir(), f"gofannon-chaos-{os.getuid()}"))
    import django

    django.setup()
    from tests.chaos import evidence, table, trial

    try:
        verdict = trial.hold(options, var, url)
    except BaseException:
        sys.stderr.write(f"the logs are in {evidence.keep(var)}\n")
        raise
    sys.stdout.write(table.drawn(options, verdict))
    if options.report is not None:
        options.report.write_text(
            json.dumps({"faults": verdict.faults, "figures": verdict.figures, "blows": verdict.blows}), encoding="utf-8"
        )
    if verdict.count or options.keep:
        sys.stdout.write(f"the logs are in {evidence.keep(var)}\n")
    return 1 if verdict.count else 0


if __name__ == "__main__":
    sys.exit(main())
