"""A deployed code agent, run over HTTP and waited for; beside it an authenticated endpoint that runs nothing."""

from collections.abc import Callable
from statistics import median

from bench.figures import Figure, figure, in_turns
from bench.platform import Platform

RUNS = 100
CODE = 'def handler(event):\n    return {"length": len(event["text"])}\n'
INPUT = {"input": {"text": "the hammer, the anvil and the fire"}}


def measure() -> list[Figure]:
    with Platform() as platform:
        platform.settle()
        names = [platform.client.deploy(runtime, CODE, runtime) for runtime in platform.runtimes()]

        def cost(operation: Callable[[], object]) -> Callable[[], float]:
            def sample() -> float:
                before = platform.cpu_ms()
                for _ in range(RUNS):
                    operation()
                return (platform.cpu_ms() - before) / RUNS

            sample()  # connections, caches and pre-forked processes are there from now on
            return sample

        def run(name: str) -> Callable[[], object]:
            return lambda: platform.client.call("POST", f"/api/agents/{name}/run", INPUT)

        samplers = {name: cost(run(name)) for name in names}
        taken = in_turns(view=cost(lambda: platform.client.call("GET", "/api/users/me")), **samplers)
    floor = median(taken.pop("view"))
    note = {"floor_of": "GET /api/users/me", "floor": floor, "sample": f"{RUNS} runs, SQLite"}
    return [figure(f"sync run of a code agent, {name}", "ms CPU", samples, **note) for name, samples in taken.items()]
