"""Host calls: how agent code reaches the world, over its run's own socket.

In async code an answer is given only while the code is idle: when every task waits, the run says so and takes one
input, an answer or the tick of a timer. So what the code does between two inputs depends on nothing else.
"""

import asyncio
import json
import os
from collections.abc import Coroutine, Generator
from typing import Any

from . import clock, frames, idling, values

_read, _write = os.read, os.write


class HostCallError(RuntimeError):
    """A host call failed; `code` is stable, the text reads "code: message"."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Channel:
    """Whole frames over a blocking stream socket."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def send(self, kind: int, body: bytes) -> None:
        """Write one frame."""
        data = memoryview(frames.frame(kind, body))
        while data:
            data = data[_write(self.descriptor, data) :]

    def _exactly(self, count: int) -> bytes:
        parts = []
        while count:
            part = _read(self.descriptor, min(count, 1 << 18))
            if not part:
                os._exit(0)  # the caller is gone: nobody is left to tell
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def receive(self) -> tuple[int, Any]:
        """Read one frame: its kind, and its body decoded."""
        kind, length = frames.HEADER.unpack(self._exactly(frames.HEADER.size))
        return kind, json.loads(self._exactly(length))


class _Answer(asyncio.Future):  # type: ignore[type-arg]
    """The future answer to a call that is already under way; also a coroutine, for create_task() asks for one."""

    _steps: Generator[Any, None, Any] | None = None

    def send(self, value: Any) -> Any:
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps.throw(*error)

    def close(self) -> None:
        self.cancel()


Coroutine.register(_Answer)


def _outcome(reply: dict[str, Any]) -> Any:
    error = reply.get("error")
    if error is not None:
        raise HostCallError(error["code"], error["message"])
    return reply["value"]


class Calls:
    """Numbers calls, sends them, and hands the answers back: at once in sync code, by futures in async code."""

    def __init__(self, channel: Channel, last_call: int, last_step: int) -> None:
        """`last_call` and `last_step` are those of earlier attempts: up to there no time is spent sleeping."""
        self._channel = channel
        self._last = self._inputs = 0
        self._last_call, self._last_step = last_call, last_step
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False
        self._waiting: dict[int, _Answer] = {}
        clock.hurries = self._replays

    def _replays(self) -> bool:
        return self._last < self._last_call or self._inputs < self._last_step

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on calls are answered through the running event loop."""
        self._loop = loop
        idling.wait = self._wait

    def detach(self) -> None:
        """Let go of the event loop, which has ended."""
        idling.wait = None
        self._loop, self._ended = None, bool(self._waiting)

    def _wait(self, timer: float | None) -> bool:
        """Take one input, the code being idle; False if no calls are out. `timer`: seconds to the next timer."""
        if not self._waiting:
            return False
        self._channel.send(frames.IDLE, json.dumps({"clock": clock.seconds(), "timer": timer}).encode())
        kind, reply = self._channel.receive()
        if kind == frames.TICK and timer is not None:
            self._inputs += 1
            clock.advance(timer)
        else:
            self._settle(self._waiting.pop(reply["id"]), self._given(reply))
        return True

    def _given(self, reply: dict[str, Any]) -> dict[str, Any]:
        if reply["clock"] is not None:
            self._inputs += 1
            clock.reach(reply["clock"])
        return reply

    def _settle(self, answer: _Answer, reply: dict[str, Any]) -> _Answer:
        if not answer.done():  # or else it was cancelled by the agent meanwhile
            try:
                answer.set_result(_outcome(reply))
            except HostCallError as error:
                answer.set_exception(error)
        return answer

    def call(self, name: str, arguments: dict[str, Any]) -> Any:
        """Make a host call; its value, or in async code a future of it. Raises HostCallError, TypeError."""
        if self._ended and name != "log":
            raise RuntimeError(f"{name}: the event loop has ended while calls were under way")
        way = "here" if name == "log" else "sync" if self._loop is None else "async"
        try:
            body = values.encode({"id": self._last + 1, "name": name, "arguments": arguments, "way": way}, name)
        except values.NotJson as error:
            raise TypeError(str(error).replace(f"{name}.arguments", name, 1)) from None
        if len(body) > frames.CALL_BYTES:
            raise HostCallError("too_large", f"{name}: the arguments exceed {frames.CALL_BYTES} bytes as JSON")
        self._last += 1
        self._channel.send(frames.CALL, body)
        if self._loop is None:
            return _outcome(self._given(self._channel.receive()[1]))
        answer = _Answer(loop=self._loop)
        if way == "here":
            return self._settle(answer, self._given(self._channel.receive()[1]))
        self._waiting[self._last] = answer
        return answer


class _Server:
    """The tools of one server, as attributes."""

    def __init__(self, calls: Calls, path: str, names: tuple[str, ...]) -> None:
        self._calls, self._path, self._names = calls, path, names

    def __dir__(self) -> list[str]:
        inside = [name.removeprefix(self._path) for name in self._names if name.startswith(self._path)]
        return sorted({name.split(".")[0] for name in inside})

    def __getattr__(self, name: str) -> Any:
        path = self._path + name
        if path in self._names:
            return _tool(self._calls, path)
        if any(known.startswith(path + ".") for known in self._names):
            return _Server(self._calls, path + ".", self._names)
        known_tools = ", ".join(self._names) or "none"
        raise AttributeError(f"no tool tools.{path}; the tools of this agent: {known_tools}")


def _tool(calls: Calls, path: str) -> Any:
    def tool(*positional: Any, **arguments: Any) -> Any:
        if positional:
            raise TypeError(f"tools.{path}() takes named arguments only")
        return calls.call(f"tool:{path}", arguments)

    tool.__name__ = tool.__qualname__ = path.rpartition(".")[2]
    return tool


def names_for(calls: Calls, tools: list[str]) -> dict[str, Any]:
    """The names that an agent's module finds in place: log, call_llm, call_agent, tools, HostCallError."""

    def log(message: Any, **fields: Any) -> Any:
        return calls.call("log", {"message": str(message), "fields": fields})

    def call_llm(prompt: Any = None, **options: Any) -> Any:
        return calls.call("call_llm", options if prompt is None else {"prompt": prompt, **options})

    def call_agent(name: str, input: Any = None) -> Any:  # noqa: A002 - the published name of the parameter
        return calls.call("call_agent", {"name": name, "input": input})

    server = _Server(calls, "", tuple(tools))
    return {
        "log": log,
        "call_llm": call_llm,
        "call_agent": call_agent,
        "tools": server,
        "HostCallError": HostCallError,
    }
