"""Plans on disk: whole and their own, or not there."""

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

from enet_ros.deploy.cache import ENVIRONMENT, EngineCache, default_folder
from enet_ros.errors import InputError

KEY = {'network': 'enet', 'size': '360x640', 'precision': 'fp16', 'weights': 'ab', 'tensorrt': '8.2.1.9'}


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / 'engines')


def test_what_was_stored_comes_back(cache):
    assert cache.load(KEY) is None
    path = cache.store(KEY, b'plan', {'layers': 3})
    assert path.name.startswith('enet-360x640-fp16-') and path.suffix == '.plan'
    assert cache.load(KEY) == b'plan'
    record = cache.record(KEY)
    assert record['layers'] == 3 and record['bytes'] == 4 and record['key'] == KEY
    assert sorted(entry.suffix for entry in cache.folder.iterdir()) == ['.json', '.plan']


@pytest.mark.parametrize('name', sorted(KEY))
def test_every_part_of_the_key_counts(cache, name):
    cache.store(KEY, b'plan', {})
    assert cache.load(dict(KEY, **{name: 'other'})) is None


@pytest.mark.parametrize('damage', ['cut', 'exchanged', 'no plan', 'no record', 'broken record', 'other key',
                                    'list', 'binary record'])
def test_damage_is_no_plan(cache, damage):
    path = cache.store(KEY, b'plan of TensorRT', {})
    record = path.with_suffix('.json')
    if damage == 'cut':
        path.write_bytes(b'plan of')
    elif damage == 'exchanged':
        path.write_bytes(b'PLAN of TensorRT')
    elif damage == 'no plan':
        path.unlink()
    elif damage == 'no record':
        record.unlink()
    elif damage == 'broken record':
        record.write_text('{"key":')
    elif damage == 'list':
        record.write_text('[]')
    elif damage == 'binary record':
        record.write_bytes(b'\xff\xfe\x00')
    else:
        record.write_text(json.dumps(dict(json.loads(record.read_text()), key=dict(KEY, gpu='another'))))
    assert cache.load(KEY) is None
    cache.store(KEY, b'new', {})
    assert cache.load(KEY) == b'new'


def test_a_failed_write_leaves_the_old_plan(cache, monkeypatch):
    cache.store(KEY, b'old', {})

    def full(handle):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(InputError, match='No space left'):
        cache.store(KEY, b'new', {})
    assert cache.load(KEY) == b'old'
    assert len(list(cache.folder.iterdir())) == 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    cache = EngineCache(tmp_path / 'file' / 'engines')
    with pytest.raises(InputError, match='file/engines'):
        cache.store(KEY, b'plan', {})
    with pytest.raises(InputError, match='engine_cache'), cache.lock(KEY):
        pass


BUILDER = """
import json, os, sys
from pathlib import Path
from enet_ros.deploy.cache import EngineCache
cache, key = EngineCache(Path(sys.argv[1])), json.loads(sys.argv[2])
print('ready', flush=True)
sys.stdin.readline()
with cache.lock(key):
    built = cache.load(key) is None
    if built:
        cache.store(key, str(os.getpid()).encode(), {})
print(json.dumps([built, cache.load(key).decode()]))
"""


def test_of_several_processes_one_builds(tmp_path):
    root = Path(__file__).resolve().parents[2]
    processes = [subprocess.Popen([sys.executable, '-c', BUILDER, str(tmp_path), json.dumps(KEY)],
                                  cwd=str(root), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  universal_newlines=True) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == 'ready\n'
    for process in processes:       # all have started: now
        process.stdin.write('\n')
        process.stdin.flush()
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert sorted(built for built, _ in answers) == [False, False, True]
    assert len({plan for _, plan in answers}) == 1


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert default_folder() == tmp_path / 'enet_ros' / 'engines'
    monkeypatch.setenv(ENVIRONMENT, '/data/engines')
    assert str(default_folder()) == '/data/engines'


def test_where_everyone_may_write_engines_are_the_users_own(tmp_path):
    tmp_path.chmod(0o1777)
    cache = EngineCache(tmp_path)
    path = cache.store(KEY, b'plan', {})
    assert path.parent == tmp_path / f'user-{os.geteuid()}' and path.parent.stat().st_mode & 0o7777 == 0o700
    assert EngineCache(tmp_path).load(KEY) == b'plan'


def test_what_another_user_put_in_the_place_of_a_folder_is_not_used(tmp_path, monkeypatch):
    tmp_path.chmod(0o1777)
    (tmp_path / 'elsewhere').mkdir()
    own = tmp_path / f'user-{os.geteuid()}'
    own.symlink_to('elsewhere')
    with pytest.raises(InputError, match='not a folder of your own'):
        EngineCache(tmp_path)
    own.unlink()
    own.mkdir()
    assert EngineCache(tmp_path).folder == own
    stranger = os.geteuid() + 1
    own.rename(tmp_path / f'user-{stranger}')
    monkeypatch.setattr(os, 'geteuid', lambda: stranger)
    with pytest.raises(InputError, match='not a folder of your own'):
        EngineCache(tmp_path)


def test_a_plan_of_another_user_is_never_run(tmp_path, monkeypatch):
    cache = EngineCache(tmp_path)
    for path in (cache.store(KEY, b'plan', {}), cache.path(KEY).with_suffix('.json')):
        stranger = path.stat().st_uid or 12345      # root's would be trusted
        monkeypatch.setattr(os, 'geteuid', lambda uid=stranger: uid + 1)
        if os.getuid() == 0:
            os.chown(str(path), stranger, -1)
        assert cache.load(KEY) is None
        monkeypatch.setattr(os, 'geteuid', lambda uid=stranger: uid)
        if os.getuid() == 0:
            os.chown(str(path), 0, -1)
        assert cache.load(KEY) == b'plan'


@pytest.mark.parametrize('make', [
    lambda path, aside: path.symlink_to(aside), lambda path, aside: os.mkfifo(str(path))])
def test_only_a_regular_file_is_read(tmp_path, make):
    cache = EngineCache(tmp_path)
    path = cache.store(KEY, b'plan', {})
    aside = tmp_path / 'aside'
    path.rename(aside)
    make(path, aside)
    assert cache.load(KEY) is None
