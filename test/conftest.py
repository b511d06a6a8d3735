"""What the whole suite shares: data, checkpoints and one ROS domain per test."""

import importlib
import itertools
import os
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import numpy as np
import pytest

from enet_ros import weights
from enet_ros.classes import ClassTable

# Domains 0..101 are safe on Linux; each worker of a parallel run walks through its own ones, beginning
# where the process id says, so that two runs on one machine do not meet.
_WORKER = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:])
_WORKERS = int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', '1'))
_OWN = list(range(1 + _WORKER, 101, _WORKERS))
_DOMAINS = itertools.cycle(_OWN[os.getpid() % len(_OWN):] + _OWN[:os.getpid() % len(_OWN)])


# Where the long files are: they begin, so that no worker ends alone with one of them.
_LONG_FIRST = ('docs', 'training', 'rigs', 'nodes', 'install', 'hardening', 'lint', 'deploy', 'tools', 'bags')


def pytest_collection_modifyitems(items: List[pytest.Item]) -> None:
    """Sort by folder; the order within a folder stays."""
    def rank(item: pytest.Item) -> int:
        folder = item.nodeid.split('/')[1] if item.nodeid.startswith('test/') else ''
        return _LONG_FIRST.index(folder) if folder in _LONG_FIRST else len(_LONG_FIRST)
    items.sort(key=rank)


@pytest.fixture(scope='session')
def new_domain() -> Callable[[], int]:
    """Return what gives a new ROS domain at each call, for nodes that several tests share."""
    return lambda: next(_DOMAINS)


@pytest.fixture
def domain_id(new_domain: Callable[[], int]) -> int:
    """Return a ROS domain that no other running test uses."""
    return new_domain()


@pytest.fixture
def ros_env(domain_id: int, monkeypatch: pytest.MonkeyPatch) -> Dict[str, str]:
    """Isolate this process and give the environment for others: own domain, this machine only."""
    for name, value in (('ROS_DOMAIN_ID', str(domain_id)), ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST'),
                        ('OMP_NUM_THREADS', '1')):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv('ROS_LOCALHOST_ONLY', raising=False)
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root] + [path for path in os.environ.get('PYTHONPATH', '').split(os.pathsep) if path]
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(paths))
    return dict(os.environ)


@pytest.fixture(scope='session')
def camvid_root() -> Path:
    """Return the real CamVid copy that ENET_CAMVID names; skip where it names none."""
    root = os.environ.get('ENET_CAMVID', '')
    if not root or not Path(root).is_dir():
        pytest.skip('ENET_CAMVID names no CamVid folder')
    return Path(root).resolve()


@pytest.fixture(scope='session')
def camvid_classes() -> ClassTable:
    """Return the shipped table of CamVid's eleven classes."""
    return ClassTable.load('camvid')


@pytest.fixture(scope='session')
def random_checkpoint(camvid_classes: ClassTable) -> weights.Checkpoint:
    """Return an ENet nobody trained, every layer alive: quick to load, and its labels vary."""
    torch = pytest.importorskip('torch')
    from enet_ros import networks
    state = torch.random.get_rng_state()
    torch.manual_seed(7)
    network = networks.ENet(len(camvid_classes))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.3)
    torch.random.set_rng_state(state)
    return networks.to_checkpoint(network, {
        'format': weights.FORMAT, 'network': 'enet', 'variant': 'authors', 'input_size': [96, 128],
        'classes': camvid_classes.to_dict(), 'normalisation': weights.NORMALISATION,
        'training': {}, 'scores': {}})


@pytest.fixture(scope='session')
def exact_checkpoint(camvid_classes: ClassTable) -> weights.Checkpoint:
    """Return an ENet of integers, for comparisons bit for bit (see `exact_networks`)."""
    pytest.importorskip('torch')
    import exact_networks
    return exact_networks.checkpoint(exact_networks.build(), camvid_classes)


@pytest.fixture(scope='session')
def random_weights(random_checkpoint: weights.Checkpoint,
                   tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the file of `random_checkpoint`."""
    path = tmp_path_factory.mktemp('weights') / 'random.npz'
    weights.save(path, random_checkpoint, np.float32)
    yield path


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what of the documents is run as printed, and what not, where their tests were among those run."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    if any(str(getattr(report, 'nodeid', '')).startswith('test/docs/') for report in reports):
        terminalreporter.write_line(importlib.import_module('pages').summary())
