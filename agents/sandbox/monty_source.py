"""What is added around an agent's code for monty: its tools, the call of its entry point, the encoding of the result.

It all stands after the agent's own lines, so that these keep their numbers.
"""

import ast
import inspect
import textwrap

from .inside import values
from .source import EntryPoint
from .specs import Job

TOOL_CALL = "__tool_call"

_FINISH = """
import json as __json

def __finish(value):
    too_large = ("output_too_large", "the output has more than {limit} bytes as JSON")
    if isinstance(value, (str, list, tuple, dict)) and len(value) > {limit}:
        return too_large  # its JSON might not fit into the memory beside it
    try:
        text = __json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except Exception as error:
        return find_problem(value, "output", 0) or ("not_json", "output: " + str(error)[:200])
    if len(text) > {limit}:
        return too_large
    return ("", text)
"""


def _without_annotations(function: object) -> str:
    """A function's source as monty takes it."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))  # type: ignore[arg-type]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            node.body = node.body[1:]  # its docstring
            for argument in node.args.args:
                argument.annotation = None
    return ast.unparse(tree)


_FIND_PROBLEM = _without_annotations(values.find_problem)


def _tree(names: tuple[str, ...]) -> dict[str, object]:
    """Dotted names as nested dicts; a leaf is the whole name. Names that attribute syntax cannot say are left out."""
    root: dict[str, object] = {}
    for name in names:
        *path, last = name.split(".")
        if not all(part.isidentifier() for part in (*path, last)):
            continue
        place = root
        for part in path:
            deeper = place.setdefault(part, {})
            if not isinstance(deeper, dict):
                break
            place = deeper
        else:
            place[last] = name
    return root


def _class_lines(path: str, tree: dict[str, object]) -> list[str]:
    lines: list[str] = []
    body: list[str] = ["    pass"]
    for name, value in tree.items():
        if isinstance(value, dict):
            lines += _class_lines(f"{path}_{name}", value)
            body.append(f"    {name} = {path}_{name}()")
        else:
            body += [f"    def {name}(self, **arguments):", f"        return {TOOL_CALL}({value!r}, arguments)"]
    return [*lines, f"class {path}:", *body]


def tool_names(names: tuple[str, ...]) -> str:
    """Source that binds `tools`, whose methods make the external call TOOL_CALL(name, arguments)."""
    return "\n".join([*_class_lines("__tools", _tree(names)), "tools = __tools()"])


def whole_source(job: Job, entry: EntryPoint) -> str:
    """The agent's code, its tools, and the call whose value is (error code or "", JSON text or message)."""
    arguments = "event, tools" if entry.arguments == 2 else "event"
    call = f"{'await ' if entry.is_async else ''}{entry.name}({arguments})"
    parts = [
        job.code,
        "HostCallError = RuntimeError",
        tool_names(job.tools),
        f"__result = {call}",  # the agent's own names count until here
        _FIND_PROBLEM,
        _FINISH.format(limit=job.limits.output_bytes),
        "__finish(__result)",
    ]
    return "\n\n".join(parts)
