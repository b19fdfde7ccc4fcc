"""What of an agent's code lies outside monty's subset of Python, asked of monty itself without running the code.

A refusal of monty's parser comes before anything runs, and a call placed ahead of the code stops it when none comes.
Imports and built-in names are asked one by one; what only shows at run time (a method monty lacks) stays unseen.
"""

import ast
import builtins
import threading
from collections.abc import Callable
from typing import Any

import pydantic_monty as pm

from .monty_workers import MontyWorkers
from .specs import Job, Problem

_STOP = "__stop"
_PROVIDED = {"log", "call_llm", "call_agent", "tools", "HostCallError", "__name__"}
_Ask = Callable[[str], Problem | None]

_known: dict[str, str | None] = {}
_lock = threading.Lock()


def _first_step(workers: MontyWorkers, code: str) -> Any:
    worker = workers.start(Job(code="", event=None))
    try:
        step = worker.session.feed_start(code, print_callback=lambda _stream, _text: None)
        if isinstance(step, pm.FunctionSnapshot):
            return step.function_name
        return step.variable_name if isinstance(step, pm.NameLookupSnapshot) else None
    finally:
        worker.close(reusable=True)


def _lacks(workers: MontyWorkers, statement: str, suspends_as: str) -> str | None:
    """Why a one-line statement does not work in monty; asked once per process."""
    with _lock:
        if statement in _known:
            return _known[statement]
    reason: str | None = None
    try:
        if _first_step(workers, statement) == suspends_as:
            reason = "is not in monty"
    except pm.MontyError as error:
        reason = str(error)
    with _lock:
        _known[statement] = reason
    return reason


def _imports(tree: ast.Module) -> list[tuple[int, int, str]]:
    """(line, column, statement) for every single name imported, wherever the import stands."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, node.col_offset, f"import {alias.name}") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found += [(node.lineno, node.col_offset, f"from {module} import {alias.name}") for alias in node.names]
    return sorted(set(found))


def _builtins_used(tree: ast.Module) -> dict[str, tuple[int, int]]:
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if isinstance(node.ctx, ast.Store)} | _PROVIDED
    bound |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    used: dict[str, tuple[int, int]] = {}
    for node in names:
        if node.id not in bound and hasattr(builtins, node.id):
            used.setdefault(node.id, (node.lineno, node.col_offset))
    return used


def problems(workers: MontyWorkers, code: str) -> list[Problem]:
    """What monty cannot do of code that compiles as Python; raises SyntaxError, OSError."""
    tree = ast.parse(code, "<agent>")
    try:
        _first_step(workers, f"{_STOP}()\n{code}")
    except pm.MontySyntaxError as error:
        return [Problem("outside_subset", str(error))]
    except pm.MontyRuntimeError as error:
        places = [frame.line - 1 for frame in error.traceback()]
        return [Problem("outside_subset", str(error).removeprefix("NotImplementedError: "), *places[-1:])]
    found = []
    for line, column, statement in _imports(tree):
        reason = _lacks(workers, statement, "import")
        if reason:
            found.append(Problem("outside_subset", f"{statement}: {reason}", line, column + 1))
    for name, (line, column) in _builtins_used(tree).items():
        reason = _lacks(workers, name, name)
        if reason:
            found.append(Problem("outside_subset", f"{name}(): {reason}", line, column + 1))
    return sorted(found, key=lambda problem: (problem.line or 0, problem.column or 0))
