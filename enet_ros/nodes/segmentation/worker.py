"""The one thread that owns the engine, from loading to release."""

import threading
import time
from typing import Callable, Optional

import numpy as np

from ...errors import InputError, one_line
from ...segmenter import Segmenter
from .mailbox import Frame, LatestFrameMailbox


class Worker:
    """Opens a segmenter in its own thread, warms it up, and serves frames until stopped."""

    def __init__(self, open_segmenter: Callable[[], Segmenter], mailbox: LatestFrameMailbox,
                 serve: Callable[[Segmenter, Frame], None],
                 failed: Callable[[Frame, Exception], None]) -> None:
        """`serve` handles one frame; what it raises goes to `failed`, and the worker goes on."""
        self._open = open_segmenter
        self._mailbox = mailbox
        self._serve = serve
        self._failed = failed
        self._settled = threading.Event()
        self.segmenter: Optional[Segmenter] = None
        self.problem: Optional[str] = None
        self.load_seconds = 0.0
        self._thread = threading.Thread(target=self._run, name='segmentation', daemon=True)

    def start(self, cancelled: Callable[[], bool]) -> None:
        """Load and warm up; InputError says in one line why that failed or that it was cancelled."""
        self._thread.start()
        while not self._settled.wait(0.05):
            if cancelled():
                raise InputError('cancelled while the engine was being loaded')
        if self.problem is not None:
            raise InputError(self.problem)

    def stop(self, timeout: float) -> bool:
        """Finish the frame at hand, release the engine; False where the thread does not end in time."""
        self._mailbox.close()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            segmenter = self._load()
        except InputError as error:
            self.problem = one_line(str(error))
        except Exception as error:
            self.problem = 'the engine did not load: {}: {}'.format(
                type(error).__name__, one_line(str(error)))
        finally:
            self._settled.set()
        if self.problem is None:
            try:
                self._loop(segmenter)
            finally:
                segmenter.close()

    def _load(self) -> Segmenter:
        started = time.monotonic()
        segmenter = self._open()
        try:
            # The first inference allocates, and picks kernels: not at the first frame's expense.
            segmenter(np.zeros(segmenter.engine.input_size + (3,), np.uint8))
        except BaseException:
            segmenter.close()
            raise
        self.load_seconds = time.monotonic() - started
        self.segmenter = segmenter
        return segmenter

    def _loop(self, segmenter: Segmenter) -> None:
        while True:
            frame = self._mailbox.take()
            if frame is None:
                return
            try:
                self._serve(segmenter, frame)
            except Exception as error:
                self._failed(frame, error)
