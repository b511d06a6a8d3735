"""What README.md and docs/ name is there: paths, links, make targets, executables and their options."""

import contextlib
import io
from pathlib import Path
import re
from typing import Iterator, List, Tuple

import pytest
import sources

from enet_ros.__main__ import EXECUTABLES, main

PAGES = [sources.ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'models/README.md')]
PAGES += sorted((sources.ROOT / 'docs').glob('*.md'))
OPTION = r'(?<!\S)--[a-z][\w-]*'
FOLDERS = ('config', 'docs', 'docker', 'enet_ros', 'launch', 'models', 'requirements', 'scripts', 'test')


def page_ids(page: Path) -> str:
    return str(page.relative_to(sources.ROOT))


def code(page: Path) -> str:
    """Return the page's code: fenced and indented blocks and `spans`, one a line, continued lines joined."""
    text = page.read_text()
    blocks = re.findall(r'^```\w*\n(.*?)^```', text, re.M | re.S) + re.findall(r'^(?: {4}.*\n)+', text, re.M)
    spans = re.findall(r'`([^`\n]+)`', re.sub(r'^```.*?^```', '', text, flags=re.M | re.S))
    return re.sub(r'\\\n\s*', ' ', '\n'.join(blocks + spans))


def commands(page: Path) -> Iterator[Tuple[str, List[str]]]:
    """Yield (executable, options) of every call of an executable of the package."""
    for match in re.finditer(r'(?:python3? -m enet_ros|ros2 run enet_ros|^\s*enet_ros) (\w+)([^\n|;&#]*)',
                             code(page), re.M):
        yield match.group(1), re.findall(OPTION, match.group(2).split('--ros-args')[0])
    for words in re.findall(r"make demo ARGS='([^']*)'", code(page)):
        yield 'demo', re.findall(OPTION, words)


@pytest.mark.parametrize('page', PAGES, ids=page_ids)
def test_paths_and_links(page):
    text = re.sub(r'`enet_ros/\w+ \d+`', '', page.read_text())      # names of schemas are no paths
    links = [link.split('#')[0] for link in re.findall(r'\]\(([^)]+)\)', text) if '://' not in link]
    missing = [link for link in links if link and not (page.parent / link).exists()]
    for name in re.findall(r'(?<![\w/.~-])((?:{})/[\w./*-]*\w)'.format('|'.join(FOLDERS)), text):
        if not any(sources.ROOT.glob(name)) and not any((sources.ROOT / 'enet_ros').glob(name)):
            missing.append(name)
    assert not missing


@pytest.mark.parametrize('page', PAGES, ids=page_ids)
def test_make_targets(page):
    targets = set(re.findall(r'^([\w-]+):', (sources.ROOT / 'Makefile').read_text(), re.M))
    named = set(re.findall(r'(?:^|\n|`)\s*make ([a-z][\w-]*)', code(page)))
    assert named <= targets


@pytest.mark.parametrize('page', PAGES, ids=page_ids)
def test_launch_files_and_arguments(page):
    for name, arguments in re.findall(r'ros2 launch enet_ros (\S+)([^\n]*)', code(page)):
        launch = (sources.ROOT / 'launch' / name).read_text()
        for argument in re.findall(r'(\w+):=', arguments):
            assert re.search(rf"""['"]{argument}['"]""", launch), f'{name} has no {argument}'


def test_executables_and_options():
    used = {}
    for page in PAGES:
        for name, options in commands(page):
            assert name in EXECUTABLES, f'{page.name}: {name}'
            used.setdefault(name, set()).update((option, page.name) for option in options)
    assert len(used) >= 4, 'few commands found: the pattern is wrong'
    for name, options in used.items():
        if not options:
            continue
        with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
            main([name, '--help'])
        for option, page_name in options:
            assert re.search(rf'(?<!\S){option}\b', shown.getvalue()), f'{page_name}: {name} has no {option}'
