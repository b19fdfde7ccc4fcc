"""docs/settings.md lists every environment variable that the code reads, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READ = re.compile(
    r'(?:env\.(?:boolean|integer|words|choice|secret)|_required|os\.environ\.get)\(\s*"([A-Z][A-Z0-9_]*)"',
)
LISTED = re.compile(r"^\| `([A-Z][A-Z0-9_]*)` \|", re.MULTILINE)
APPS = ("gofannon", "billing", "agents", "workflows", "tickets", "demos")


def test_every_variable_is_documented_and_every_documented_one_is_read() -> None:
    sources = [path.read_text(encoding="utf-8") for app in APPS for path in (ROOT / app).rglob("*.py")]
    read = {name for source in sources for name in READ.findall(source)} - {"DJANGO_SETTINGS_MODULE"}
    listed = set(LISTED.findall((ROOT / "docs" / "settings.md").read_text(encoding="utf-8")))
    assert (sorted(read - listed), sorted(listed - read)) == ([], [])
