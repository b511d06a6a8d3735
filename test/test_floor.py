"""One language floor: Python 3.6 everywhere, Humble's rclpy in the nodes.

`test/floor/humble_rclpy.json` lists what Humble's rclpy (branch humble, November 2024) offers: the
public names of its modules, the members of the classes nodes handle, and the parameters of its
functions. It is a list of names, made from their source.
"""

import ast
import json
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
HUMBLE = json.loads((ROOT / 'test/floor/humble_rclpy.json').read_text())

# What the robot runs or reads; `setup.py` is run by its colcon.
FILES = sorted([path for folder in ('enet_ros', 'launch') for path in (ROOT / folder).rglob('*.py')]
               + [ROOT / 'setup.py'] + [path for path in (ROOT / 'scripts').iterdir() if path.is_file()])
NODES = sorted((ROOT / 'enet_ros/nodes').rglob('*.py'))
NODE_MEMBERS = set(HUMBLE['members']['Node']) | set(HUMBLE['members']['LifecycleNodeMixin'])


def parsed(path):
    return ast.parse(path.read_text(), str(path))


def names(path):
    return str(path.relative_to(ROOT))


@pytest.mark.skipif(sys.version_info < (3, 8), reason='this ast cannot be asked for older grammar')
@pytest.mark.parametrize('path', FILES, ids=names)
def test_grammar(path):
    tree = ast.parse(path.read_text(), str(path), feature_version=(3, 6))
    futures = [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
               and node.module == '__future__' for alias in node.names]
    assert 'annotations' not in futures     # 3.7


def test_grammar_check_can_fail():
    with pytest.raises(SyntaxError):
        ast.parse('if (n := 1): pass', feature_version=(3, 6))


def test_library():
    vermin = Path(sys.executable).parent / 'vermin'
    if not vermin.exists():
        pytest.skip('vermin is not installed')
    done = subprocess.run(
        [str(vermin), '-t=3.6-', '--backport', 'dataclasses', '--backport', 'typing', '--no-tips',
         '--violations'] + [str(path) for path in FILES], stdout=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0, done.stdout


def conditions(test):
    """Return all that must hold for a test to hold."""
    return test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]


def is_flag(value):
    return isinstance(value, ast.Name) and value.id.isupper()


def guarded(tree):
    """Return what may be another distribution's: `try ... except ImportError`, `if FLAG [and ...]`."""
    found = set()
    for node in ast.walk(tree):
        statements = []
        handled = [ast.dump(handler.type) for handler in getattr(node, 'handlers', ()) if handler.type]
        if any('ImportError' in kind for kind in handled):
            statements = node.body + [line for handler in node.handlers for line in handler.body]
        elif isinstance(node, ast.If) and any(map(is_flag, conditions(node.test))):
            statements = node.body
        for statement in statements:
            found.update(id(child) for child in ast.walk(statement))
    return found


def offered(module, name):
    return name in HUMBLE['modules'][module] or f'{module}.{name}' in HUMBLE['modules']


@pytest.mark.parametrize('path', NODES, ids=names)
def test_imports_are_humbles(path):
    tree = parsed(path)
    exempt = guarded(tree)
    for node in ast.walk(tree):
        if id(node) in exempt:
            continue
        if isinstance(node, ast.ImportFrom) and not node.level and node.module.split('.')[0] == 'rclpy':
            assert node.module in HUMBLE['modules'], node.module
            for alias in node.names:
                assert offered(node.module, alias.name), (node.module, alias.name)
        elif isinstance(node, ast.Attribute) and getattr(node.value, 'id', '') == 'rclpy':
            assert offered('rclpy', node.attr), node.attr


def own_names():
    """Return every name that our nodes define: methods, attributes, fields."""
    found = set()
    for path in FILES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
    return found


OWN = own_names()


def is_node(value):
    """Tell whether an expression is a node by its name: self, node, self.node, self._node."""
    name = value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ''
    return name in ('self', 'node', '_node')


@pytest.mark.parametrize('path', NODES, ids=names)
def test_members_of_nodes_are_humbles(path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute) and is_node(node.value) and not node.attr.startswith('__'):
            known = node.attr in NODE_MEMBERS or node.attr in OWN
            assert known, f'{path}:{node.lineno} {node.attr}'


@pytest.mark.parametrize('path', NODES, ids=names)
def test_keywords_are_humbles(path):
    tree = parsed(path)
    exempt = guarded(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or id(node) in exempt:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, 'id', '')
        if name in OWN or name not in HUMBLE['parameters']:
            continue
        for keyword in node.keywords:
            known = HUMBLE['parameters'][name]
            assert keyword.arg is None or keyword.arg in known or 'kwargs' in known, \
                f'{path}:{node.lineno} {name}({keyword.arg}=)'


def test_humbles_list_is_humbles():
    """Names that came after Humble are not in it, names from before are."""
    assert 'SubscriptionEventCallbacks' in HUMBLE['modules']['rclpy.qos_event']
    assert 'rclpy.event_handler' not in HUMBLE['modules']
    assert 'content_filter_options' not in HUMBLE['parameters']['create_subscription']
    assert {'LifecycleNode', 'TransitionCallbackReturn'} <= set(HUMBLE['modules']['rclpy.lifecycle'])
    assert {'create_lifecycle_publisher', 'trigger_activate', 'declare_parameter'} <= NODE_MEMBERS
