"""Reading ahead: how it ends."""

import threading
from types import SimpleNamespace

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
