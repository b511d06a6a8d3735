"""The tool that builds engines, as far as it goes without TensorRT."""

import importlib.util
import json

import pytest

from enet_ros.tools import build_engine

WITHOUT = pytest.mark.skipif(importlib.util.find_spec('tensorrt') is not None, reason='TensorRT is installed')


def test_dry_run_estimates_on_any_machine(random_weights, tmp_path, capsys):
    assert build_engine.main(['--weights', str(random_weights), '--size', '360x640', '--dry-run',
                              '--json', str(tmp_path / 'estimate.json')]) == 0
    said = capsys.readouterr().out
    assert said.startswith('estimate, not a measurement: enet at 360x640, 11 classes')
    facts = json.loads((tmp_path / 'estimate.json').read_text())
    assert facts['estimate'] is True and facts['size'] == [360, 640]
    assert 250 < facts['megabytes'] < 334
    assert facts['megabytes'] == pytest.approx(sum(facts['megabytes_by_kind'].values()))
    assert facts['memory_ms_tx1'] == pytest.approx(facts['megabytes'] / 20)


def test_the_weights_own_size_is_the_default(random_weights, capsys):
    assert build_engine.main(['--weights', str(random_weights), '--dry-run']) == 0
    assert 'enet at 96x128' in capsys.readouterr().out


@WITHOUT
def test_without_tensorrt_one_line(random_weights, capsys):
    assert build_engine.main(['--weights', str(random_weights)]) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and 'tensorrt module is not installed' in error and '--dry-run' in error


@pytest.mark.parametrize('size', ['100x100', '0x8', '360', '360x', 'axb', '-8x8'])
def test_sizes_that_cannot_be(size, capsys):
    assert build_engine.main(['--size', size, '--dry-run']) == 2
    assert '--size' in capsys.readouterr().err


def test_missing_weights_are_named(capsys):
    assert build_engine.main(['--weights', '/nowhere/mine.npz', '--dry-run']) == 2
    assert '/nowhere/mine.npz' in capsys.readouterr().err
