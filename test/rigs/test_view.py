"""The live page: `demo --view` as its users start it, looked at in a real browser while it runs."""

import http.client
import json
import shutil
import socket
import subprocess
import sys
import tempfile

from browser import FLAGS
from harness import environment
import pytest


def state(address):
    """Yield what the page is told, one state after the other, without end."""
    while True:
        yield json.loads(get(address, '/state')[1])


def get(address, path, host=None):
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request('GET', path, headers={'Host': host or address})
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.fixture(scope='module')
def address(new_domain, random_weights, tmp_path_factory):
    """Start the demo; return where its page is."""
    folder = tmp_path_factory.mktemp('view')
    demo = subprocess.Popen(
        [sys.executable, '-m', 'enet_ros', 'demo', '--weights', str(random_weights), '--frames', '100000',
         '--output', str(folder / 'demo'), '--view'], env=environment(new_domain()), cwd=str(folder),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    lines = []
    try:
        for line in demo.stdout:
            lines.append(line)
            if line.startswith('watch it at '):
                yield line.split('//')[1].strip().rstrip('/')
                break
        else:
            pytest.fail(''.join(lines))
    finally:
        demo.terminate()
        demo.communicate(timeout=60)
    assert demo.returncode == 130


def test_a_port_that_is_taken_is_one_line(ros_env, random_weights, tmp_path):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen(1)
        done = subprocess.run(
            [sys.executable, '-m', 'enet_ros', 'demo', '--weights', str(random_weights), '--view',
             str(taken.getsockname()[1]), '--output', str(tmp_path / 'demo')], env=ros_env, cwd=str(tmp_path),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120)
    assert done.returncode == 2 and done.stderr.count('\n') == 1 and 'name another one' in done.stderr


@pytest.mark.timeout(300)
def test_it_moves_while_the_demo_runs(address):
    browser = shutil.which('chromium') or shutil.which('google-chrome')
    if browser is None:
        pytest.skip('no Chromium')
    states = state(address)
    first = next(told for told in states if told['frames_segmented'] and told['overlay'])
    assert sum(first['class_shares']) == pytest.approx(1, abs=1e-6)
    later = next(told for told in states if told['frames_in'] > first['frames_in'] + 3)
    assert later['overlay'] > first['overlay'] and later['delay_ms'] > 0 and later['rate_hz'] > 0
    assert later['frames_in'] == later['frames_segmented'] + sum(later['dropped_by'].values())
    assert get(address, '/overlay.jpg?1')[1].startswith(b'\xff\xd8')

    # The page's own script, in a browser: what it shows is from after the page was opened.
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [browser, *FLAGS, f'--user-data-dir={profile}', '--dump-dom',
             '--virtual-time-budget=10000', f'http://{address}/'], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=120, universal_newlines=True)
    page = done.stdout
    assert '>Live<' in page and 'src="/overlay.jpg?' in page
    frames = int(page.split('id="frames">')[1].split('<')[0])
    assert frames > later['frames_in']
    assert page.count(' %</td>') == len(first['class_shares'])


def test_only_this_machine_and_this_name_are_served(address):
    """Another site's name that resolves to this machine is refused, and so is anything but the page."""
    assert get(address, '/')[0] == 200
    assert get(address, '/', host='elsewhere.example')[0] == 403
    assert get(address, '/../etc/passwd')[0] == 404
    assert address.startswith('127.0.0.1:')
