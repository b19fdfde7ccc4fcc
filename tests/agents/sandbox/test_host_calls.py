import threading
import time
from concurrent.futures import Future
from typing import Any

import pytest

from agents.sandbox import HostCall, HostCallError
from tests.agents.sandbox.support import run

EVERY_CALL = """
def handler(event, tools):
    return [
        log("hello", a=1),
        call_llm("say", model="m"),
        call_agent("other", {"x": 1}),
        tools.web.web_search(query="q"),
        tools.files.read(path="p"),
    ]
"""


def test_sync_code_gets_values(runtime: str) -> None:
    assert run(EVERY_CALL, runtime=runtime).output == [
        {"name": "log", "arguments": {"message": "hello", "fields": {"a": 1}}},
        {"name": "call_llm", "arguments": {"prompt": "say", "model": "m"}},
        {"name": "call_agent", "arguments": {"name": "other", "input": {"x": 1}}},
        {"name": "tool:web.web_search", "arguments": {"query": "q"}},
        {"name": "tool:files.read", "arguments": {"path": "p"}},
    ]


def test_calls_are_numbered_in_order(runtime: str) -> None:
    seen: list[int] = []
    run(EVERY_CALL, runtime=runtime, host=lambda call: seen.append(call.id))
    assert seen == [1, 2, 3, 4, 5]


def test_only_log_runs_in_the_thread_of_the_caller(runtime: str) -> None:
    seen: list[tuple[str, bool]] = []
    own = threading.get_ident()
    run(EVERY_CALL, runtime=runtime, host=lambda call: seen.append((call.name, threading.get_ident() == own)))
    assert [name for name, in_own in seen if in_own] == ["log"]
    assert len(seen) == 5


GATHER = """
import asyncio

async def run(event, tools):
    log("not awaited")
    return await asyncio.gather(call_llm("a"), call_llm("b"), tools.web.web_search(q="c"))
"""


def test_async_code_has_several_calls_in_flight(runtime: str) -> None:
    together = threading.Barrier(3)

    def host(call: HostCall) -> Any:
        if call.name != "log":
            together.wait(5)
        return call.id

    assert run(GATHER, runtime=runtime, host=host).output == [2, 3, 4]


def test_replies_may_come_in_any_order(runtime: str) -> None:
    def host(call: HostCall) -> Any:
        time.sleep((5 - call.id) * 0.05)
        return call.id

    assert run(GATHER, runtime=runtime, host=host).output == [2, 3, 4]


def test_a_host_may_answer_with_a_future(runtime: str) -> None:
    def host(call: HostCall) -> Any:
        future: Future[Any] = Future()
        threading.Timer(0.05, future.set_result, [call.id * 10]).start()
        return future

    assert run(GATHER, runtime=runtime, host=host).output == [20, 30, 40]
    assert run("def handler(event):\n    return call_llm('x')", runtime=runtime, host=host).output == 10


CATCH = """
def handler(event):
    try:
        return call_llm("x")
    except HostCallError as error:
        return "caught " + str(error)
"""


def refuse(call: HostCall) -> Any:
    raise HostCallError("budget", "nothing is left")


def test_code_can_catch_what_the_host_raises(runtime: str) -> None:
    assert run(CATCH, runtime=runtime, host=refuse).output == "caught budget: nothing is left"


def test_code_can_catch_it_in_async_code(runtime: str) -> None:
    code = CATCH.replace("def", "async def").replace("return call", "return await call")
    assert run(code, runtime=runtime, host=refuse).output == "caught budget: nothing is left"


def test_an_uncaught_one_is_the_codes_error(runtime: str) -> None:
    error = run("def handler(event):\n    return call_llm('x')", runtime=runtime, host=refuse).error
    assert error is not None
    assert (error.code, error.line) == ("code_error", 2)
    assert error.message.endswith("budget: nothing is left")


def test_what_else_the_host_raises_comes_out_of_run(runtime: str) -> None:
    def host(call: HostCall) -> Any:
        raise ValueError("the lease is lost")

    with pytest.raises(ValueError, match="the lease is lost"):
        run("def handler(event):\n    return call_llm('x')", runtime=runtime, host=host)
    with pytest.raises(ValueError, match="the lease is lost"):
        run(GATHER, runtime=runtime, host=host)


def test_an_unknown_tool_is_an_attribute_error(runtime: str) -> None:
    error = run("def handler(event, tools):\n    return tools.web.nothing(a=1)", runtime=runtime).error
    assert error is not None
    assert error.code == "code_error"
    assert error.message.startswith("AttributeError: ")
    assert "nothing" in error.message


def test_arguments_must_be_json(runtime: str) -> None:
    error = run("def handler(event):\n    return call_llm('x', stop={1})", runtime=runtime).error
    assert error is not None
    assert error.message == "TypeError: call_llm.stop: set"


def test_arguments_have_a_largest_size(runtime: str) -> None:
    error = run("def handler(event):\n    return call_llm('x' * 2000000)", runtime=runtime).error
    assert error is not None
    assert "too_large: call_llm: the arguments exceed 1048576 bytes as JSON" in error.message


def test_calls_can_become_tasks(cpython: None) -> None:
    code = GATHER.replace('call_llm("a")', 'asyncio.create_task(call_llm("a"))')
    assert run(code, host=lambda call: call.id).output == [2, 3, 4]
