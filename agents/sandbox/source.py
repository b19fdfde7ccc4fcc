"""What can be said of an agent's code without running it: does it parse, and what is its entry point."""

import ast
import re
from dataclasses import dataclass

from .inside import reports
from .specs import Problem

ENTRY_NAMES = ("handler", "run")
_EXPECTED = "define handler(event) or async run(input, tools)"

# The parser holds the interpreter's lock until it is done, makes up to 1 KB of two bytes, and reads an f-string anew
# for each of its braces: these three keep it below half a second and 200 MB. Ordinary code has a word or sign in
# every four or five bytes.
MAX_CODE_BYTES = 128 << 10
MAX_CODE_WORDS = 40_000
MAX_CODE_BRACES = 4_000
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """The function that a run calls: with (event), or with (event, tools) if it takes two."""

    name: str
    is_async: bool
    arguments: int
    line: int


def too_large(code: str) -> Problem | None:
    """The problem of code that is too much to be parsed: "code_too_large"."""
    if len(code) > MAX_CODE_BYTES or len(code.encode(errors="surrogatepass")) > MAX_CODE_BYTES:
        return Problem("code_too_large", f"the code has more than {MAX_CODE_BYTES} bytes")
    if len(_WORD.findall(code)) > MAX_CODE_WORDS:
        return Problem("code_too_large", f"the code has more than {MAX_CODE_WORDS} words and signs")
    if code.count("{") > MAX_CODE_BRACES:
        return Problem("code_too_large", f"the code has more than {MAX_CODE_BRACES} opening braces")
    return None


def _definitions(tree: ast.Module) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    found = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name: node for node in found}


def _bound_names(tree: ast.Module) -> set[str]:
    """Names that the module binds in other ways than by def: assignments and imports, wherever they stand."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
    return names


def _positional_range(arguments: ast.arguments) -> tuple[int, float]:
    """The fewest and the most positional arguments that a call by position may give."""
    places = len(arguments.posonlyargs) + len(arguments.args)
    fewest = places - len(arguments.defaults)
    needed_by_name = any(default is None for default in arguments.kw_defaults)
    if needed_by_name:
        return (3, 0)
    return (fewest, float("inf") if arguments.vararg else places)


def entry_point(code: str) -> EntryPoint | Problem:
    """The entry point, or what is wrong. A name bound otherwise than by a plain def counts as (event), not async.

    Raises SyntaxError, ValueError.
    """
    if problem := too_large(code):
        return problem
    tree = ast.parse(code, "<agent>")
    definitions = _definitions(tree)
    name = next((name for name in ENTRY_NAMES if name in definitions), None)
    if name is None:
        bound = _bound_names(tree)
        name = next((name for name in ENTRY_NAMES if name in bound), None)
        return EntryPoint(name, False, 1, 1) if name else Problem("no_handler", _EXPECTED)
    node = definitions[name]
    fewest, most = _positional_range(node.args)
    if fewest <= 2 <= most or fewest <= 1 <= most:
        return EntryPoint(name, isinstance(node, ast.AsyncFunctionDef), 2 if most >= 2 else 1, node.lineno)
    message = f"{name}({reports.shortened(ast.unparse(node.args))}) must take (event) or (event, tools)"
    return Problem("no_handler", message, node.lineno, node.col_offset + 1)


def compile_check(code: str) -> list[Problem]:
    """What is wrong with code, found without executing it, with line and column where it has a place.

    The codes: "code_too_large", "syntax_error", "no_handler".
    """
    try:
        found = entry_point(code)
    except SyntaxError as error:
        return [Problem("syntax_error", error.msg or "invalid syntax", error.lineno, error.offset)]
    except (ValueError, RecursionError, MemoryError) as error:
        return [Problem("syntax_error", str(error) or "the code is nested too deeply")]
    return [found] if isinstance(found, Problem) else []
