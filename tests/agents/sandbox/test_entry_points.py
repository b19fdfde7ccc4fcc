import pytest

from tests.agents.sandbox.support import run

ENTRIES = [
    "def handler(event):\n    return event['n'] + 1",
    "async def handler(event):\n    return event['n'] + 1",
    "async def run(input_dict, tools):\n    return input_dict['n'] + 1",
    "def run(input_dict):\n    return input_dict['n'] + 1",
    "def handler(event, tools):\n    return event['n'] + (1 if tools else 0)",
    "def handler(event, tools=None):\n    return event['n'] + 1",
    "def handler(*everything):\n    return everything[0]['n'] + 1",
    "def run(x):\n    return 0\ndef handler(event):\n    return event['n'] + 1",
]


@pytest.mark.parametrize("code", ENTRIES)
def test_it_calls_the_entry_point(runtime: str, code: str) -> None:
    assert run(code, {"n": 4}, runtime=runtime).output == 5


MODULE = """
import json
from dataclasses import dataclass

LIMIT = 3

@dataclass
class Point:
    x: int

def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)

def adder(n):
    def add(m):
        return n + m
    return add

def handler(event):
    return [Point(x=LIMIT).x, depth(50), adder(2)(3), json.loads('{"a": 1}'), __name__]
"""


def test_it_runs_the_code_as_a_module(runtime: str) -> None:
    assert run(MODULE, runtime=runtime).output == [3, 50, 5, {"a": 1}, "agent"]


CLASSES = """
import enum, abc, typing

class Base(abc.ABC):
    @abc.abstractmethod
    def name(self) -> str: ...

class Child(Base):
    def name(self) -> str:
        return super().__class__.__name__ and "child"

class Colour(enum.Enum):
    RED = "red"

def numbers() -> typing.Iterator[int]:
    yield from (1, 2)

class Handler:
    def __call__(self, event):
        return [Child().name(), Colour.RED.value, list(numbers())]

handler = Handler()
"""


def test_cpython_knows_the_whole_language(cpython: None) -> None:
    assert run(CLASSES).output == ["child", "red", [1, 2]]


@pytest.mark.parametrize("event", [None, True, 3, 2.5, "é€𝄞", [1, [2]], {"a": {"b": []}}])
def test_events_and_outputs_keep_their_shape(runtime: str, event: object) -> None:
    assert run("def handler(event):\n    return event", event, runtime=runtime).output == event
