"""What nodes leave in shared memory: nothing when they end; a killed one's goes at the next start."""

import fcntl
import os
from pathlib import Path
import re
import signal
import time
from typing import Set

from harness import Process
import pytest

from enet_ros.nodes.common.shared_memory import FOLDER, sweep

SEGMENT = 'fastrtps_0123456789abcdef'
HOUR = 3600.0


def segment(folder: Path, name: str, age: float) -> Path:
    """Write a segment and its lock file of some age; return the lock file."""
    (folder / name).write_bytes(b'\1' * 8192)
    lock = folder / (name + '_el')
    lock.touch()
    os.utime(str(lock), (time.time() - age,) * 2)
    return lock


def test_only_old_segments_that_nobody_holds_are_removed(tmp_path: Path) -> None:
    dead = segment(tmp_path, SEGMENT, HOUR)
    segment(tmp_path, SEGMENT.replace('0', '1'), 0)                     # a process about to lock it
    held = segment(tmp_path, SEGMENT.replace('0', '2'), HOUR)
    segment(tmp_path, 'somebody_elses', HOUR)
    segment(tmp_path, SEGMENT + '_el_kept', HOUR)
    segment(tmp_path, 'fastrtps_port7400', HOUR)                        # ports are used again
    with held.open('rb') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert sweep(tmp_path) == 8192
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == 10 and not left & {SEGMENT, dead.name}
    assert sweep(tmp_path) == 8192 and not held.exists()
    assert sweep(tmp_path) == 0 == sweep(tmp_path / 'missing')


@pytest.mark.timeout(30)
def test_pipes_and_links_of_a_locks_name_are_left_alone(tmp_path: Path) -> None:
    """Others may write into /dev/shm: a pipe would be waited for, a link followed."""
    (tmp_path / SEGMENT).write_bytes(b'1')
    os.mkfifo(str(tmp_path / (SEGMENT + '_el')))
    second = SEGMENT.replace('0', '1')
    (tmp_path / 'elsewhere').write_bytes(b'')
    (tmp_path / (second + '_el')).symlink_to('elsewhere')
    for path in tmp_path.iterdir():
        os.utime(str(path), (time.time() - HOUR,) * 2, follow_symlinks=False)
    before = sorted(tmp_path.iterdir())
    assert sweep(tmp_path) == 0 and sorted(tmp_path.iterdir()) == before


def segments_of(process: Process) -> Set[Path]:
    """Return the shared memory that a running process made: its own lock files are open in it."""
    folder = Path(f'/proc/{process.process.pid}/fd')
    opened = {os.readlink(str(link)) for link in folder.iterdir()}
    return {Path(name[:-3]) for name in opened if re.match(r'/dev/shm/fast(rtps|dds)_[0-9a-f]{16}_el$', name)}


@pytest.mark.skipif(not FOLDER.is_dir(), reason='shared memory is a folder on Linux only')
def test_a_node_that_ends_leaves_nothing_and_the_next_one_tidies_up_after_a_killed_one(
        domain_id: int, random_weights: Path) -> None:
    parameters = ['engine:=openvino', 'threads:=1', f'weights:={random_weights}']
    with Process('segmentation_node', domain_id, parameters) as node:
        node.wait_for('active on')
        left = segments_of(node)
        assert left and all(path.exists() for path in left)
        assert node.interrupt(signal.SIGKILL) != 0
    assert all(path.exists() for path in left)
    for path in left:
        os.utime(str(path) + '_el', (time.time() - HOUR,) * 2)
    with Process('segmentation_node', domain_id, parameters) as node:
        node.wait_for('MB of shared memory freed')
        node.wait_for('active on')
        assert not any(path.exists() for path in left)
        own = segments_of(node)
        assert own and all(path.exists() for path in own)
        assert node.interrupt() == 0
    assert not any(path.exists() for path in own)
