"""What the agents of a trial do: a program of steps, interpreted by one code in two runtimes, sync and async.

Each answer of the counting server holds a number that follows from the call alone, so that the digest over all answers
in the program's order is known beforehand. Each call also says what the code has seen so far (chance, clock, the order
in which calls were answered): a course that is not replayed exactly shows at the server.
"""

import random
import zlib
from collections.abc import Iterator
from itertools import count
from typing import Any

Step = dict[str, Any]

FACTOR = 1_000_003
MODULUS = 2_147_483_647
MODES = ("sync", "async")
CALLS = ("pure", "keyed", "unsafe")

_CODE = """\
import asyncio
import random
import time

FACTOR = 1_000_003
MODULUS = 2_147_483_647


async def one(event, tools, step, seen):
    op = step["op"]
    if op == "sleep":
        await asyncio.sleep(step["seconds"])
        return None
    if op == "log":
        log("step", n=step["n"])
        return None
    if op == "agent":
        answer = await call_agent(step["name"], step["input"])
        seen["told"].append(step["n"])
        return answer["digest"]
    salt = random.randint(1, 1000000000)
    seen["salts"][str(step["n"])] = salt
    url = event["url"] + "/" + op + "/" + event["marker"] + "/" + str(step["n"])
    url = url + "?salt=" + str(salt) + "&at=" + str(int(time.time() * 1000))
    url = url + "&told=" + "-".join([str(n) for n in seen["told"]])
    if op == "pure":
        answer = await tools.http.get(url=url)
    elif op == "keyed":
        answer = await tools.http.send(method="POST", url=url, json={"n": step["n"]})
    else:
        answer = await tools.http.send_once(method="POST", url=url, json={"n": step["n"]})
    seen["told"].append(step["n"])
    return answer["json"]["number"]


async def handler(event, tools):
    seen = {"told": [], "salts": {}}
    digest = 0
    for step in event["steps"]:
        if step["op"] == "together":
            found = await asyncio.gather(*[one(event, tools, each, seen) for each in step["steps"]])
        else:
            found = [await one(event, tools, step, seen)]
        for number in found:
            if number is not None:
                digest = (digest * FACTOR + number) % MODULUS
    return {"digest": digest, "salts": seen["salts"], "told": seen["told"]}
"""


def code_of(mode: str) -> str:
    """The agents' code; the sync one makes calls one after the other."""
    if mode == "async":
        return _CODE
    gather = 'await asyncio.gather(*[one(event, tools, each, seen) for each in step["steps"]])'
    inline = _CODE.replace(gather, '[one(event, tools, each, seen) for each in step["steps"]]')
    return inline.replace("async def", "def").replace("await ", "").replace("asyncio.sleep", "time.sleep")


def name_of(role: str, runtime: str, mode: str) -> str:
    return f"chaos-{role}-{runtime}-{mode}"


def number_of(op: str, marker: str, n: int) -> int:
    """The number that the server answers this call with."""
    return zlib.crc32(f"{op}/{marker}/{n}".encode()) % 1_000_000


def flat(steps: list[Step]) -> Iterator[Step]:
    """The steps in the program's order, those made together too."""
    for step in steps:
        if step["op"] == "together":
            yield from step["steps"]
        else:
            yield step


def digest_of(program: dict[str, Any]) -> int:
    """What the program's digest is, if every answer is given to the call that it belongs to."""
    digest = 0
    for step in flat(program["steps"]):
        if step["op"] == "agent":
            number = digest_of(step["input"])
        elif step["op"] in CALLS:
            number = number_of(step["op"], program["marker"], step["n"])
        else:
            continue
        digest = (digest * FACTOR + number) % MODULUS
    return digest


def all_of(program: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The program and those that it has other agents run."""
    yield program
    for step in flat(program["steps"]):
        if step["op"] == "agent":
            yield from all_of(step["input"])


def make_program(
    rng: random.Random, marker: str, url: str, *, mode: str, runtimes: tuple[str, ...], leaf: bool = False
) -> dict[str, Any]:
    numbers = count(1)
    weights = {"pure": 4, "keyed": 5, "unsafe": 4, "log": 2, "sleep": 2, "agent": 0 if leaf else 2}

    def step(*ops: str) -> Step:
        op = rng.choices(ops, [weights[op] for op in ops])[0]
        if op == "sleep":
            return {"op": op, "seconds": round(rng.uniform(0.01, 0.25), 3)}
        n = next(numbers)
        if op != "agent":
            return {"op": op, "n": n}
        runtime, called = rng.choice(runtimes), rng.choice(MODES)
        inner = make_program(rng, f"{marker}.{n}", url, mode=called, runtimes=runtimes, leaf=True)
        return {"op": op, "n": n, "name": name_of("leaf", runtime, called), "input": inner}

    ops = tuple(op for op, weight in weights.items() if weight)
    steps: list[Step] = []
    for _ in range(rng.randint(1, 3) if leaf else rng.randint(2, 6)):
        if mode == "async" and rng.random() < 0.4:
            steps.append({"op": "together", "steps": [step(*ops) for _ in range(rng.randint(2, 4))]})
        else:
            steps.append(step(*ops))
    return {"url": url, "marker": marker, "steps": [*steps, step(*CALLS)]}
