"""Host calls: how agent code reaches the world, over its run's own socket."""

import asyncio
import json
import os
from collections.abc import Coroutine, Generator
from typing import Any

from . import frames, values

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

    def receive(self) -> Any:
        """Read one frame's body, decoded."""
        _kind, length = frames.HEADER.unpack(self._exactly(frames.HEADER.size))
        return json.loads(self._exactly(length))


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
    """Numbers calls, sends them, and hands the replies back: at once in sync code, by futures in async code."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._last = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[int, _Answer] = {}

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on calls are answered through the running event loop."""
        self._loop = loop
        loop.add_reader(self._channel.descriptor, self._settle)

    def detach(self) -> None:
        """Let go of the event loop."""
        if self._loop is not None:
            self._loop.remove_reader(self._channel.descriptor)
        self._loop = None

    def _settle(self) -> None:
        reply = self._channel.receive()  # the caller writes whole frames: the rest of one is on its way
        answer = self._waiting.pop(reply["id"])
        if answer.done():
            return  # cancelled by the agent meanwhile
        try:
            answer.set_result(_outcome(reply))
        except HostCallError as error:
            answer.set_exception(error)

    def call(self, name: str, arguments: dict[str, Any]) -> Any:
        """Make a host call; its value, or in async code a future of it. Raises HostCallError, TypeError."""
        waits = self._loop is None
        try:
            body = values.encode({"id": self._last + 1, "name": name, "arguments": arguments, "waits": waits}, name)
        except values.NotJson as error:
            raise TypeError(str(error).replace(f"{name}.arguments", name, 1)) from None
        if len(body) > frames.CALL_BYTES:
            raise HostCallError("too_large", f"{name}: the arguments exceed {frames.CALL_BYTES} bytes as JSON")
        self._last += 1
        self._channel.send(frames.CALL, body)
        if self._loop is None:
            return _outcome(self._channel.receive())
        answer = _Answer(loop=self._loop)
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
