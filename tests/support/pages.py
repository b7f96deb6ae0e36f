"""The code blocks of the documentation, and a reader's shell that runs them one after another."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LANGUAGES = {"", "sh", "json", "jsonl", "python"}
"""What a block may be marked as; without a mark it is no command but its form, or a piece of HTTP."""

_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+?) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
_FILE = re.compile(r"# (var/[\w.-]+)\n")


class Block(NamedTuple):
    """A fenced block; `reason` says why it is not run, "" where it is."""

    page: Path
    language: str
    text: str
    reason: str

    @property
    def file(self) -> str:
        """Return the file that a block of Python says in its first line it is; "" for none."""
        named = _FILE.match(self.text)
        return named[1] if named else ""


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in their order."""
    return [
        Block(page, found["language"], found["text"], found["reason"] or "")
        for found in _BLOCK.finditer(page.read_text())
    ]


def runnable(page: Path) -> list[Block]:
    """Return what a reader would run, and what answers that."""
    return [block for block in blocks(page) if block.language and not block.reason]


class Shell:
    """A shell as the reader's second one: what a block sets, the next one finds. Its var folder is another one."""

    def __init__(self, env: dict[str, str], var: Path) -> None:
        self.var, self.end = var, "--end of block--"
        arguments = ["bash", "-u", "-o", "pipefail"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(arguments, cwd=ROOT, env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def run(self, text: str) -> str:
        """Run a block and return what it printed; fails where a command of it fails, or one names what is not set."""
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        script = f"trap 'echo \"failed: $BASH_COMMAND\" >&2; exit 1' ERR\n{self.here(text)}\necho '{self.end}'\n"
        self.process.stdin.write(script)
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.rstrip("\n").endswith(self.end):
                return "".join([*lines, line.rstrip("\n").removesuffix(self.end)])
            lines.append(line)
        raise AssertionError(f"{text}\n{''.join(lines)}{self.process.stderr.read()}")

    def here(self, text: str) -> str:
        """Return the text with this shell's var folder."""
        return re.sub(r"(?<![\w/])var/", f"{self.var}/", text)

    def write(self, file: str, text: str) -> None:
        """Write a file of the var folder, as the reader would with an editor."""
        (self.var / file.removeprefix("var/")).write_text(self.here(text))

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()
