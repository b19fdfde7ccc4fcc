"""The sandbox of code agents: which runtimes may run, and the limits an agent may ask for."""

from pathlib import Path

from gofannon import env

SANDBOX_RUNTIME = env.choice("SANDBOX_RUNTIME", "auto", ("auto", "cpython", "monty"))
SANDBOX_CACHE_DIR = Path(env.secret("SANDBOX_CACHE_DIR") or env.var_dir() / "sandbox")
SANDBOX_MAX_WALL_SECONDS = env.integer("SANDBOX_MAX_WALL_SECONDS", 600, low=1, high=86_400)
SANDBOX_MAX_MEMORY_BYTES = env.integer("SANDBOX_MAX_MEMORY_BYTES", 1 << 30, low=1 << 25, high=1 << 40)
SANDBOX_MAX_OUTPUT_BYTES = env.integer("SANDBOX_MAX_OUTPUT_BYTES", 16 << 20, low=1024, high=1 << 30)
