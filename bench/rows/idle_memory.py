"""Memory of the processes that wait for work."""

import subprocess
import sys

from bench.figures import Figure, figure
from bench.platform import ROOT, Platform
from bench.processes import memory_mb
from bench.rows.start import LOAD_DJANGO

PEAK = "; import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def measure() -> list[Figure]:
    bare = subprocess.run([sys.executable, "-c", LOAD_DJANGO + PEAK], cwd=ROOT, check=True, capture_output=True)
    note = {"floor_of": "one process that has loaded Django and the apps", "floor": int(bare.stdout) / 1024}
    figures = []
    with Platform() as platform:
        platform.settle()
        for name in ("web", "worker", "beat"):
            rss, pss = memory_mb(platform.pid(name))
            figures.append(figure(f"{name}, idle, RSS", "MiB", [rss], sample="1 process", **note))
            figures.append(figure(f"{name}, idle, PSS", "MiB", [pss], sample="1 process"))
    return figures
