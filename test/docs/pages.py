"""The commands that README.md and docs/*.md print, and the markers that readers see beside them."""

from pathlib import Path
import re
import subprocess
from typing import Iterator, List, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = ['README.md'] + sorted(str(path.relative_to(ROOT)) for path in (ROOT / 'docs').glob('*.md'))
#: What a reader sees as a comment behind a command, or above the commands of a block that it holds for.
MARKERS = {'robot': "needs ROS's own tools, Docker or a device",
           'long': 'takes over a minute: `make docs-long` runs it',
           'make': 'runs these tests, installs or measures: a line that begins with `make`'}
EXECUTED = ('sh', 'python')
SHOWN = ('yaml', 'text')

_FENCE = re.compile(r'^( *)```(\w*)$')
_MARKER = re.compile('# (robot|long)\\b|^(make) ')


class Command(NamedTuple):
    """What is typed at once: a shell command with its continuations, or a block of Python."""

    page: str
    line: int
    language: str
    text: str
    marker: str     # one of MARKERS, or ''

    @property
    def place(self) -> str:
        return f'{self.page}:{self.line}'


class Block(NamedTuple):
    """A fenced block; `line` is that of its first line."""

    page: str
    line: int
    language: str
    lines: List[str]


def blocks(page: str) -> Iterator[Block]:
    """Yield a page's fenced blocks; AssertionError for one without end."""
    begin, indent, language, lines = 0, '', '', []
    for number, line in enumerate((ROOT / page).read_text(encoding='utf-8').splitlines(), 1):
        fence = _FENCE.match(line)
        if begin and fence and not fence.group(2):
            yield Block(page, begin, language, lines)
            begin = 0
        elif begin:
            assert line.startswith(indent) or not line.strip(), f'{page}:{number}: indented less'
            lines.append(line[len(indent):])
        elif fence:
            begin, indent, language, lines = number + 1, fence.group(1), fence.group(2), []
    assert not begin, f'{page}:{begin}: the block has no end'


def commands(page: str) -> Iterator[Command]:
    """Yield what a page has its reader type, in order."""
    for block in blocks(page):
        if block.language == 'python':
            yield Command(page, block.line, 'python', '\n'.join(block.lines) + '\n', '')
        elif block.language == 'sh':
            yield from _shell(block)


def summary() -> str:
    """Return in one line how many commands the pages print, and how many of them carry which marker."""
    markers = [command.marker for page in PAGES for command in commands(page)]
    marked = [f'{markers.count(name)} marked {name}' for name in MARKERS]
    return f"documents: {len(markers)} commands, {markers.count('')} run as printed; {', '.join(marked)}"


def _shell(block: Block) -> Iterator[Command]:
    held = ''
    text, begin = '', 0
    for number, line in enumerate(block.lines, block.line):
        found = _MARKER.search(line)
        if not text and line.lstrip().startswith('#'):
            held = found.group(1) if found else ''
            continue
        if not text and not line.strip():
            continue
        begin, text = begin if text else number, text + line + '\n'
        if _whole(text):
            marker = next(filter(None, found.groups())) if found else held
            yield Command(block.page, begin, 'sh', text, marker)
            text = ''
    assert not text, f'{block.page}:{begin}: not a whole command'


def _whole(text: str) -> bool:
    """Tell whether bash would run this, or ask for more."""
    if text.endswith('\\\n'):
        return False
    result = subprocess.run(['bash', '-n'], input=text, stderr=subprocess.PIPE, universal_newlines=True)
    return result.returncode == 0 and not result.stderr
