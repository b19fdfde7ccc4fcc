"""From the supervisor's start on existing state to the first 200 of /ready."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, figure, in_turns
from bench.platform import ROOT, Platform

# Seconds after which /ready no longer counts the worker of the start before as heard.
FORGOTTEN = 11.0
LOAD_DJANGO = "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'gofannon.settings'; django.setup()"


def measure() -> list[Figure]:
    var = Path(tempfile.mkdtemp(prefix="gofannon-bench-"))

    def start() -> float:
        time.sleep(FORGOTTEN)
        with Platform(var) as platform:
            return platform.ready_after

    def django() -> float:
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", LOAD_DJANGO], cwd=ROOT, check=True)
        return time.monotonic() - began

    try:
        first = start()
        taken = in_turns(warm=start, django=django)
    finally:
        shutil.rmtree(var, ignore_errors=True)
    floor = figure("", "", taken["django"]).value
    note = {"floor_of": "one process that loads Django and the apps", "floor": floor}
    return [
        figure("start on existing state, to ready", "s", taken["warm"], sample="1 start", **note),
        figure("first start on an empty directory, to ready", "s", [first], sample="1 start, once", **note),
    ]
