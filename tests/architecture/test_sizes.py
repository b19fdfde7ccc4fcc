"""Files and functions stay small enough to be read in one sitting."""

import ast
import math
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("gofannon", "billing", "agents", "workflows", "tickets", "demos", "bench", "tests")
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_NINE_FILES_IN_TEN = 250
MOST_LINES_OF_A_FUNCTION = 50


def sources() -> dict[str, str]:
    """Every Python file of ours but migrations, by its path in the project."""
    paths = [ROOT / "manage.py", *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in paths
        if "migrations" not in path.parts
    }


def functions(name: str, source: str) -> Iterator[tuple[str, int]]:
    """The functions of a file and their lengths in lines, with decorators and docstring."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield f"{name}:{first} {node.name}", (node.end_lineno or first) - first + 1


def test_no_file_is_long() -> None:
    lengths = {name: len(source.splitlines()) for name, source in sources().items()}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FILE} == {}


def test_nine_files_in_ten_are_short() -> None:
    lengths = sorted(len(source.splitlines()) for source in sources().values())
    assert lengths[math.ceil(0.9 * len(lengths)) - 1] <= MOST_LINES_OF_NINE_FILES_IN_TEN


def test_no_function_is_long() -> None:
    lengths = dict(pair for name, source in sources().items() for pair in functions(name, source))
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FUNCTION} == {}
