"""The benchmark's parts at sizes that take no time: who runs, what they answer, what is made of it."""

import json

import numpy as np
import pytest

pytest.importorskip('torch')

from enet_ros.rigs.benchmark import (  # noqa: E402
    contestants,
    layers,
    machine,
    plot,
    report,
    run,  # noqa: E402
    speed,
    stages,
)
from enet_ros.rigs.benchmark.race import Timing  # noqa: E402
from enet_ros.rigs.benchmark.targets import assess  # noqa: E402

SMALL = (48, 64)


@pytest.fixture(scope='module')
def checkpoint():
    return contestants.untrained('enet')


def test_engines_and_peers_give_the_same_labels(checkpoint):
    engines, missing = contestants.engines(checkpoint, SMALL, threads=1)
    names = tuple(name for name in contestants.PEERS if name != 'torch.compile')    # it compiles for a minute
    peers, absent = contestants.peers(checkpoint, SMALL, names)
    assert 'torch fp32' in engines and 'PyTorch eager' in peers
    assert len(engines) + len(missing) == len(contestants.ENGINES)
    assert len(peers) + len(absent) == len(names)
    frame = speed._frame(SMALL)
    truth = peers['PyTorch eager'](frame)
    assert truth.shape == SMALL and truth.dtype == np.uint8
    for labels in list(engines.values()) + list(peers.values()):
        answer = labels(frame)
        assert answer.shape == SMALL and answer.dtype == np.uint8
        assert np.mean(answer == truth) > 0.99


def test_a_peer_that_is_not_there_is_told(checkpoint, monkeypatch):
    def broken(checkpoint, size):
        raise RuntimeError('no such thing\nand a long story')
    monkeypatch.setattr(contestants, 'onnx_runtime', broken)
    found, missing = contestants.peers(checkpoint, SMALL, ('onnxruntime',))
    assert found == {} and missing == {'onnxruntime': 'RuntimeError: no such thing'}


def timing(milliseconds):
    return Timing(*(milliseconds,) * 5, (milliseconds,) * 3, 5)


def test_roofline_arithmetic():
    limits = machine.roofline({'matrix product': timing(2 * 2048 ** 3 / 100e9 * 1e3), 'copy': timing(10.0)})
    assert limits.gflops == pytest.approx(100)
    assert limits.copy_gb_s == pytest.approx(2 * 2 ** 27 / 0.01 / 1e9)
    assert limits.arithmetic_ms(int(1e9)) == pytest.approx(10)
    assert limits.memory_ms(int(limits.copy_gb_s * 1e9)) == pytest.approx(1000)


def test_the_machine_is_described():
    described = machine.describe()
    assert described['cores'] >= 1 and described['libraries']['numpy'] == np.__version__
    assert '{} cores'.format(described['cores']) in machine.sentence(described)


def row(network, size, engine, median, peer=False):
    return dict(network=network, height=size[0], width=size[1], engine=engine, peer=peer,
                rate_hz=1e3 / median, **timing(median)._asdict())


@pytest.fixture(scope='module')
def costs():
    return speed.costs()


@pytest.fixture
def result(costs):
    pixels = [height * width for height, width in speed.SIZES]
    times = [row('enet', size, 'openvino fp32', 30.0 * count / pixels[1] * slower)
             for size, count, slower in zip(speed.SIZES, pixels, (1, 1, 1, 1.5))]
    times += [row('enet', speed.MAIN_SIZE, 'PyTorch eager', 120.0, True),
              row('enet', speed.MAIN_SIZE, 'onnxruntime', 60.0, True),
              row('enet', speed.MAIN_SIZE, 'torch fp32', 70.0),
              row('segnet', speed.MAIN_SIZE, 'openvino fp32', 600.0)]
    return {
        'machine': dict(machine.describe(), others_cores=0.0), 'times': times, 'costs': costs,
        'roofline': {'gflops': 200.0, 'copy_gb_s': 20.0},
        'stages': {'timings': {'decode': timing(1.0)._asdict()}, 'own_ms': 3.0, 'own_with_overlay_ms': 10.0},
        'layers': {'PyTorch eager': {'convolution': 0.7, 'PReLU': 0.3}, 'OpenVINO': {'convolution': 1.0}},
        'node': [{'load': 'a camera', 'sent': 90, 'frames_in': 90, 'frames_segmented': 88, 'cores': 1.5,
                  'latency_ms': {'p50': 40.0, 'max': None}, 'memory_mb': 300.0, 'first_label_s': start,
                  'rate_hz': 29.0, 'overlay': overlay, 'engine_ms': 30.0, 'own_ms': own}
                 for overlay, own, start in ((False, 3.0, 7.0), (True, 10.0, 2.0), (False, 9.0, 3.0))],
        'rivals': [dict(engine=engine, size=[360, 640], rate=30.0, profile=True, node=node, p50=delay,
                        p99=2 * delay, processor_ms=delay / 2, count=180)
                   for engine, node, delay in (
                       ('none', 'segmentation_node', 2.0), ('none', 'naive node', 4.0),
                       ('auto', 'the engine alone', 30.0), ('auto', 'segmentation_node', 33.0),
                       ('auto', 'naive node', 30.0))],
        'missing': {'tensorrt': 'not installed'}}


def test_targets_are_ratios_of_one_run(result):
    measured = {target.what: target for target in assess(result)}
    assert len(measured) == 13 + 9

    def value(part):
        return next(target for what, target in measured.items() if part in what)
    assert value('PyTorch eager').measured == pytest.approx(4.0) and value('PyTorch eager').met
    assert value('onnxruntime').measured == pytest.approx(2.0) and value('onnxruntime').met is False
    assert value('OpenCV').met is None
    assert value('floor').measured == pytest.approx(30.0 / (2 * 1.6940736 / 200 * 1e3))
    assert value('SegNet').measured == pytest.approx(20.0)
    assert value('pixel').measured == pytest.approx(100 * (1.5 / 1.125 - 1)) and value('pixel').met is False
    assert value('own work').measured == pytest.approx(10.0)
    assert value('overlay listener adds').measured == pytest.approx(7.0)
    assert value('none, config/fastdds.xml: delay, median, over').measured == pytest.approx(0.5)
    assert value('none, config/fastdds.xml: delay, median').met
    assert value('auto, config/fastdds.xml: delay, median, over').met is False
    assert value('auto, config/fastdds.xml: p99').measured == pytest.approx(6.0)
    assert value('first label').met and value('memory').met


def test_a_busy_machine_judges_nothing(result):
    result['machine']['others_cores'] = 0.7
    targets = assess(result)
    assert targets[0].measured and not any(target.met is not None for target in targets)
    text = report.markdown(result, targets)
    assert 'nothing is judged' in text and '**no**' not in text and 'others kept 0.70 cores' in text


def test_what_others_take_of_the_processor(monkeypatch):
    """All ticks that are not idle, less our own and our children's processor time."""
    seconds = machine.os.sysconf('SC_CLK_TCK')

    def moment(clock, user, idle, own):
        monkeypatch.setattr(machine.time, 'monotonic', lambda: clock)
        monkeypatch.setattr(machine, '_read', lambda path: 'cpu  {} 0 0 {} {} 0 0 0 0 0\ncpu0 7'.format(
            user * seconds, idle * seconds, 5 * seconds))
        monkeypatch.setattr(machine.os, 'times', lambda: (own, 1.0, 2.0, 3.0, clock))
    moment(100.0, 50, 900, 10.0)
    company = machine.Company()
    moment(110.0, 62, 908, 19.0)
    assert company.cores() == pytest.approx(0.3)
    moment(110.0, 52, 908, 19.0)        # rounding of ticks
    assert company.cores() == 0.0


def test_targets_of_nothing():
    assert assess({}) == []


def test_markdown_has_every_figure(result):
    text = report.markdown(result, assess(result))
    for expected in ('| ENet | 360x640 | onnxruntime (peer) | 60.0 |', '286.03', 'a camera', '**no**',
                     '| PReLU | 30.0% | 0.0% |', 'Not there: tensorrt (not installed).',
                     '3.00 ms without an overlay listener'):
        assert expected in text
    assert len({line.count('|') for line in text.split('## Targets')[1].splitlines() if '|' in line}) == 1


def test_plot(result, tmp_path):
    pytest.importorskip('matplotlib')
    plot.plot(result, tmp_path / 'time.png')
    assert (tmp_path / 'time.png').stat().st_size > 10000


def test_a_plan_runs_and_its_rows_are_complete(checkpoint, monkeypatch):
    monkeypatch.setattr(contestants, 'PEERS', contestants.PEERS[:1])
    plan = speed.Plan(sizes=(SMALL,), segnet_sizes=(), peer_sizes=(SMALL,), rounds=1)
    result = speed.run(plan, checkpoint, 1, lambda rounds, what: rounds)
    names = {entry['engine'] for entry in result['times']}
    assert {'torch fp32', 'PyTorch eager'} <= names
    assert all(entry['agreement'] > 0.99 and entry['median_ms'] > 0 for entry in result['times'])
    assert result['roofline'] == {}     # measured with ENet at 360x640 only


def test_shares_of_time(checkpoint):
    for shares in (layers.torch_shares(checkpoint, SMALL, 1), layers.openvino_shares(checkpoint, SMALL, 2)):
        assert sum(shares.values()) == pytest.approx(1)
        assert list(shares.values()) == sorted(shares.values(), reverse=True)
        assert shares['convolution'] > 0
    assert {'PReLU', 'batch norm', 'unpooling'} <= set(layers.torch_shares(checkpoint, SMALL, 1))


def test_stages_measure_what_the_node_does():
    timings = stages.measure((90, 160), SMALL, rounds=1)
    assert set(timings) == {'decode raw', 'decode jpeg', 'resize and labels back', 'message', 'overlay',
                            'overlay message', 'labels png', 'overlay jpeg'}
    assert stages.own_cost_ms(timings, overlay=True) > stages.own_cost_ms(timings) > 0


def test_the_tool_writes_all_its_files(tmp_path, capsys):
    assert run.main(['--costs', '--output', str(tmp_path), '--json', str(tmp_path / 'copy.json')]) == 0
    written = json.loads((tmp_path / 'benchmark.json').read_text())
    assert written == json.loads((tmp_path / 'copy.json').read_text())
    assert written['costs'][0]['parameters'] == 363791
    assert (tmp_path / 'benchmark.md').read_text() in capsys.readouterr().out


def test_the_tool_refuses_weights_that_are_not_there(tmp_path, capsys):
    # --out is what it was called up to 0.1.
    assert run.main(['--costs', '--out', str(tmp_path), '--weights', str(tmp_path / 'no.npz')]) == 2
    assert 'no.npz' in capsys.readouterr().err


def test_without_ros_the_node_is_left_out_unless_asked_for(tmp_path, capsys, monkeypatch):
    def find(name, found=run.importlib.util.find_spec):
        return None if name == 'rclpy' else found(name)
    monkeypatch.setattr(run.importlib.util, 'find_spec', find)
    assert run.main(['--node', '--output', str(tmp_path)]) == 2
    assert 'needs rclpy: source a ROS 2' in capsys.readouterr().err
    sections = run._sections(run._parser().parse_args([]))
    assert 'node' not in sections and 'times' in sections


def test_a_load_that_fails_does_not_take_the_rest_with_it(tmp_path, monkeypatch):
    pytest.importorskip('rclpy')
    from enet_ros.rigs.benchmark import node, rivals

    def fails(load, parameters, folder, seconds):
        raise run.InputError('no label')
    monkeypatch.setattr(node, 'measure', fails)
    monkeypatch.setattr(rivals, 'compare', fails)
    assert run.main(['--node', '--quick', '--output', str(tmp_path)]) == 0
    written = json.loads((tmp_path / 'benchmark.json').read_text())
    assert written['node'] == [] and len(written['missing']) == (
        len(node.QUICK_LOADS) + len(rivals.QUICK_DUELS))
    assert 'no label' in (tmp_path / 'benchmark.md').read_text()
