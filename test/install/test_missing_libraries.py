"""Where libraries are missing: what still works, and what each tool and node says instead of a traceback."""

import json
import os
from pathlib import Path
import re
import subprocess
import sys
from typing import Dict, Iterator, Set, Tuple

import pytest
import sources

from enet_ros import libraries
from enet_ros.__main__ import EXECUTABLES
from enet_ros.errors import InputError

PRESENT = {'numpy', 'cv2', 'yaml', 'dataclasses', 'enet_ros'}
STANDARD = set(getattr(sys, 'stdlib_module_names', ()))
NODES = {name for name in EXECUTABLES if name.endswith('_node')}
# For each executable, arguments that are right in themselves, and the libraries that it then asks for.
RUNS: Dict[str, Tuple[str, str]] = {
    'evaluate_bag': ('no.mcap', 'tqdm'),
    'evaluate_dataset': ('synthetic --report out.html', 'tqdm and jinja2'),
    'record_bag': ('synthetic out', 'rosbags and tqdm'),
    'predict': ('synthetic', 'tqdm and jinja2'),
    'train': ('--data synthetic', 'torch, tqdm and matplotlib'),
    'export': ('--format openvino', 'openvino'),
    'check_data': ('synthetic', 'tqdm'),
    'import_weights': ('a b.npz', 'torch'),
    'plot_prelu': ('', 'matplotlib'),
    'benchmark': ('--costs', 'torch'),
    'build_engine': ('', 'torch'),
    'compare_latency': ('a.csv --report', 'matplotlib'),
    **{name: ('', 'rclpy') for name in NODES | {'demo', 'soak'}}}
RUN_ALL = """
import contextlib, io, json, sys
sys.modules.update(dict.fromkeys(json.loads(sys.argv[1])))      # None: importing it fails
from enet_ros.__main__ import run
results = {}
for name, arguments in json.loads(sys.argv[2]).items():
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            code = run(name, arguments.split())
        except BaseException as error:
            code = repr(error)
    results[name] = code, said.getvalue()
print(json.dumps(results))
"""


def used() -> Iterator[Tuple[Path, str]]:
    """Yield what the package imports from outside it, by file."""
    for path in sources.python_files():
        if sources.ROOT / 'enet_ros' in path.parents:
            for name, _ in sources.imported(path):
                if name not in PRESENT | STANDARD:
                    yield path.relative_to(sources.ROOT), name


def run_all(tmp_path: Path, arguments: Dict[str, str]) -> Dict[str, Tuple[object, str]]:
    """Run executables in one process that has numpy, OpenCV and YAML alone."""
    absent = sorted({name for _, name in used()})
    assert {'torch', 'openvino', 'rclpy', 'tqdm', 'rosbags'} <= set(absent)
    done = subprocess.run([sys.executable, '-c', RUN_ALL, json.dumps(absent), json.dumps(arguments)],
                          env=dict(os.environ, PYTHONPATH=str(sources.ROOT)), cwd=str(tmp_path),
                          stdout=subprocess.PIPE, universal_newlines=True)
    results: Dict[str, Tuple[object, str]] = json.loads(done.stdout)
    return results


def test_every_executable_names_what_it_lacks_and_the_cure(tmp_path):
    # The doctor runs without, and tells of everything: test_doctor. For verify there is always an engine.
    assert set(RUNS) == set(EXECUTABLES) - {'doctor', 'verify'}, 'say which libraries the new one wants'
    results = run_all(tmp_path, {name: arguments for name, (arguments, _) in RUNS.items()})
    for name, (_, wanted) in RUNS.items():
        code, said = results[name]
        assert code == 2 and said.count('\n') == 1, f'{name}: {code} {said}'
        assert said.startswith(f'error: {name} needs {wanted}'), said
        assert 'pip install ' in said or 'make demo' in said, said
    assert not list(tmp_path.iterdir()), 'work was begun'


def test_help_needs_nothing(tmp_path):
    results = run_all(tmp_path, {name: '--help' for name in EXECUTABLES})
    for name, (code, said) in results.items():
        assert code in (0, 'SystemExit(0)') and name in said, f'{name}: {code} {said}'


def test_every_library_is_accounted_for():
    """Brought by rosdep, or among those whose cure is known; so that no import can end in a traceback."""
    manifest = (sources.ROOT / 'package.xml').read_text()
    declared = set(re.findall('<exec_depend>(.*)</exec_depend>', manifest))
    ros = {name for name in declared if not name.startswith('python3-')}
    on_the_robot = {'tensorrt', 'torch2trt', 'builtin_interfaces', 'geometry_msgs', 'ament_index_python',
                    'tf2_ros'}      # points_node says what to set where it is missing
    unknown = [f'{path}: {name}' for path, name in used()
               if name not in ros | on_the_robot | set(libraries.LIBRARIES) | {'onnxruntime'}]
    assert not unknown, '\n'.join(unknown)
    brought = {library.apt for library in libraries.LIBRARIES.values() if library.apt}
    assert brought <= declared
    assert {'rosbag2_py', 'rosbag2_storage_mcap'} <= declared, 'rosdep brings no reader of bags'


def extras() -> Dict[str, Set[str]]:
    """Return setup.py's extras and the distributions in them."""
    code = ('import json, runpy, setuptools; '
            "setuptools.setup = lambda **options: print(json.dumps(options['extras_require'])); "
            "runpy.run_path('setup.py')")
    done = subprocess.run([sys.executable, '-c', code], cwd=str(sources.ROOT), check=True,
                          stdout=subprocess.PIPE, universal_newlines=True)
    return {name: {re.split(r'[^\w-]', wanted)[0] for wanted in listed}
            for name, listed in json.loads(done.stdout).items()}


def test_extras_hold_what_messages_and_docs_advise():
    known = extras()
    assert {library.pip for library in libraries.LIBRARIES.values()} <= set().union(*known.values())
    assert known['torch'] < known['train'] and known['report'] | known['bags'] < known['workstation']
    texts = [path for path in sources.files() if path.suffix in ('.md', '.py', '.xml', '.yaml')]
    advised = {(name, extra) for path in texts if path != Path(__file__) for name in [path.name]
               for extra in re.findall(r'enet_ros\[([\w, ]+)\]', sources.text(path))}
    assert advised
    for name, extra in advised:
        assert extra in known, f'{name} advises enet_ros[{extra}], which setup.py does not have'


def test_one_line_for_several(monkeypatch):
    monkeypatch.setattr(libraries, 'LIBRARIES', {
        'no_such': libraries.Library('a', 'python3-a'), 'none_such': libraries.Library('b', 'python3-b')})
    with pytest.raises(InputError, match='^it needs no_such and none_such: pip install a b, or apt install '
                                         'python3-a python3-b$'):
        libraries.need('it', ['json', 'no_such', 'none_such'])
