"""Every shell and Python line of README.md and docs/*.md runs as printed, in a fresh clone and shell."""

import contextlib
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from typing import Any, Dict, Iterator, List

from homes import fill
from pages import EXECUTED, PAGES, ROOT, SHOWN, Command, blocks, commands
import pytest

LONG = os.environ.get('DOCS_LONG') == '1'      # make docs-long
#: What only a robot, a board or a machine with Docker has: the marker is for blocks with one of these.
ROBOTS = re.compile(r'\b(ros2|rosdep|colcon|docker|sudo|nvpmodel|jetson_clocks)\b|/dev/')
NODE = re.compile(r'^(python3? -m )?enet_ros \w+_node\b')

# A page's shell tells on descriptor 9 what begins and with which code it ends. Nodes run side by side, as in
# a terminal each, until something else is typed: then they get Ctrl-C. So does a camera that plays without
# end when another is started; one that ends is waited for.
SHELL = r"""
set -m
here() {  # number, file
    echo "begin $1" >&9
    . "$2"; echo "end $1 $?" >&9
}
aside() {  # number, file, text that says it works
    echo "begin $1" >&9
    ( . "$2" ) > "$2.log" 2>&1 &
    nodes="$nodes $1:$2:$!"
    for _ in $(seq 600); do
        ! grep -q "$3" "$2.log" && kill -0 $! 2>/dev/null || break
        sleep 0.1
    done
}
ctrl_c() {  # which of them
    kept=
    for node in $nodes; do
        IFS=: read -r number file process <<< "$node"
        if grep -q "$1" "$file"; then
            kill -INT -- "-$process"; wait "$process"; echo "end $number $?" >&9
            cat "$file.log"
        else
            kept="$kept $node"
        fi
    done
    nodes=$kept
}
nodes=
. .venv/bin/activate
"""


def test_every_block_says_what_it_is():
    for page in PAGES:
        for block in blocks(page):
            assert block.language in EXECUTED + SHOWN, f'{page}:{block.line}: ```{block.language}'


def test_code_stands_in_fenced_blocks():
    """What is only indented says no language, and would be run by nobody."""
    for page in PAGES:
        lines = (ROOT / page).read_text(encoding='utf-8').splitlines()
        fenced = {number for block in blocks(page)
                  for number in range(block.line - 1, block.line + len(block.lines) + 1)}
        for number, (before, line) in enumerate(zip([''] + lines, lines), 1):
            assert number in fenced or before or not line.startswith('    '), f'{page}:{number}'


def test_markers_are_not_for_convenience():
    robots = {(block.page, line) for page in PAGES for block in blocks(page)
              if ROBOTS.search('\n'.join(block.lines))
              for line in range(block.line, block.line + len(block.lines))}
    for command in [command for page in PAGES for command in commands(page) if command.language == 'sh']:
        assert command.marker == 'robot' or not ROBOTS.search(command.text), command.place
        assert command.marker != 'robot' or (command.page, command.line) in robots, command.place


@pytest.fixture(scope='module')
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp('home')
    fill(home)
    return home


@pytest.fixture
def home(made_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(str(made_home), str(tmp_path / 'home')))


@pytest.fixture(scope='module')
def made_clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clone of this tree, its package in a .venv over the test environment's libraries."""
    target = tmp_path_factory.mktemp('clone') / 'enet_ros'
    listed = output('git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', cwd=ROOT)
    for name in filter(None, listed.split('\0')):
        if (ROOT / name).exists() and not name.startswith('test/'):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(ROOT / name), str(target / name))
    output(sys.executable, '-m', 'venv', '--without-pip', '.venv', cwd=target)
    site = Path(sysconfig.get_path('purelib')).relative_to(sys.prefix)
    for folder in ('lib', str(site)):       # ROS's wheels look for their libraries in both
        for path in (Path(sys.prefix) / folder).iterdir():
            if 'enet_ros' not in path.name and not (target / '.venv' / folder / path.name).exists():
                (target / '.venv' / folder / path.name).symlink_to(path)
    output('.venv/bin/python', '-m', 'pip', '--disable-pip-version-check', 'install', '--quiet', '--no-deps',
           '--no-index', '--no-build-isolation', '--use-pep517', '--ignore-installed', '--editable', '.',
           cwd=target, env=clean_environment(target))
    return target


@pytest.fixture
def clone(made_clone: Path) -> Iterator[Path]:
    """Give each page the clone, and remove what it left there."""
    before = set(made_clone.iterdir())
    yield made_clone
    for path in set(made_clone.iterdir()) - before:
        shutil.rmtree(str(path)) if path.is_dir() else path.unlink()


def output(*command: str, **options: Any) -> str:
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, universal_newlines=True, **options).stdout


def clean_environment(home: Path) -> Dict[str, str]:
    """Return what a new login has, and what keeps this test's nodes to themselves."""
    return {'HOME': str(home), 'PATH': '/usr/local/bin:/usr/bin:/bin', 'LANG': 'C.UTF-8', 'TERM': 'dumb',
            'OMP_NUM_THREADS': '1'}


def script(page: List[Command], folder: Path) -> str:
    """Return what bash runs for a page."""
    lines, python = [SHELL], ''
    for number, command in enumerate(page):
        if command.marker in ('robot', 'make') or command.marker == 'long' and not LONG:
            continue
        text = command.text
        if command.language == 'python':        # a page's blocks are one session
            python += text
            (folder / f'{number}.py').write_text(python)
            text = f'python {folder}/{number}.py\n'
        (folder / f'{number}.sh').write_text(text)
        file = f'{number} {folder}/{number}.sh'
        plays = 'playback_node' in text
        endless = 'loop:=true' in text or 'synthetic' in text and 'max_frames' not in text
        if not NODE.match(text):
            lines.append(f'ctrl_c .; here {file}')
        elif plays:
            lines.append(f'ctrl_c playback_node; {"aside" if endless else "here"} {file} waiting')
        else:
            lines.append(f"aside {file} {'active' if 'segmentation_node' in text else '.'}")
    return '\n'.join(lines + ['ctrl_c .', 'echo done >&9', ''])


def end(process: subprocess.Popen) -> None:
    """End what a page has started, if anything is left of it."""
    with contextlib.suppress(ProcessLookupError):
        for line in subprocess.run(['ps', '-eo', 'pid=,sid='], check=True, stdout=subprocess.PIPE,
                                   universal_newlines=True).stdout.splitlines():
            pid, session = map(int, line.split())
            if session == process.pid:
                os.kill(pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize('page', [
    page for page in PAGES if any(block.language in EXECUTED for block in blocks(page))])
def test_every_line_runs_as_printed(page, clone, home, tmp_path, domain_id):
    found = list(commands(page))
    folder = tmp_path / 'lines'
    folder.mkdir()
    (folder / 'page.sh').write_text(script(found, folder))
    environment = dict(clean_environment(home), ROS_DOMAIN_ID=str(domain_id),
                       ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST')
    with open(str(tmp_path / 'told'), 'w') as told, open(str(tmp_path / 'said'), 'w') as said:
        process = subprocess.Popen(
            ['bash', '-c', f'exec 9>&{told.fileno()}; . {folder}/page.sh'], cwd=str(clone), env=environment,
            stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, pass_fds=[told.fileno()],
            start_new_session=True)
        try:
            process.wait(None if LONG else 380)
        finally:
            end(process)
    events = (tmp_path / 'told').read_text().split('\n')
    printed = (tmp_path / 'said').read_text()[-6000:]
    assert 'done' in events, f'{page}: {events}\n{printed}'
    codes = {int(line.split()[1]): int(line.split()[2]) for line in events if line.startswith('end ')}
    failed = [f'{found[number].place}: exit code {code}: {found[number].text}'
              for number, code in codes.items() if code]
    assert not failed, '\n'.join(failed) + printed
    assert 'Traceback' not in printed, printed
