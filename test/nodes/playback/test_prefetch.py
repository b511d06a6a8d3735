"""Reading ahead: how it ends."""

import os
import threading
from types import SimpleNamespace

import pytest

from enet_ros.errors import InputError
from enet_ros.nodes.common.main import Stop
from enet_ros.nodes.playback.prefetch import Prefetcher


def test_a_frame_that_is_still_read_at_the_end_is_told() -> None:
    """The process must then leave at once: Python would end the thread inside OpenCV, which aborts."""
    reading, read = threading.Event(), threading.Event()

    def frames():
        reading.set()
        read.wait()
        return iter(())

    source = SimpleNamespace(name='slow', rate=30.0, frames=frames)
    reader = Prefetcher(source, lambda frame: frame, False, 0, 0.0, SimpleNamespace())
    stop = Stop()
    player = threading.Thread(target=lambda: list(reader.frames(stop)))
    player.start()
    assert reading.wait(10)
    stop.request()
    player.join()
    assert not reader.close()
    read.set()
    assert reader.close()


def test_reading_ahead_gives_way_to_the_network() -> None:
    """On Linux niceness is a thread's own: the one that publishes keeps its."""
    found = []

    def frames():
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return iter(())
    source = SimpleNamespace(name='empty', rate=30.0, frames=frames)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    reader = Prefetcher(source, lambda frame: frame, False, 0, 0.0, SimpleNamespace())
    with pytest.raises(InputError, match='no frame'):
        list(reader.frames(Stop()))
    assert reader.close()
    assert found[0] == min(before + 10, 19) and os.getpriority(os.PRIO_PROCESS, 0) == before
