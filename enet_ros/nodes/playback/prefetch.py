"""Reads a source ahead of the player, in a thread of its own."""

from contextlib import suppress
import os
import queue
import threading
from typing import Any, Iterator, Optional

from ...errors import InputError
from ...sources import Source
from ..common.log_throttle import ThrottledLogger
from ..common.main import Stop
from .messages import Prepared, Preparer

AHEAD = 4       # frames decoded before they are due
NICENESS = 10   # the next frames are not as urgent as the labels of this one


class Prefetcher:
    """Turns a source into messages whose stamps run on, whatever loops and rates do."""

    def __init__(self, source: Source, prepare: Preparer, loop: bool, max_frames: int, rate: float,
                 log: ThrottledLogger) -> None:
        """`rate` 0 keeps the source's times, `max_frames` 0 plays all; reading begins with `frames`."""
        self._source = source
        self._prepare = prepare
        self._loop = loop
        self._max_frames = max_frames
        self._rate = rate
        self._log = log
        self._queue: 'queue.Queue[Any]' = queue.Queue(AHEAD)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name='reader', daemon=True)

    def frames(self, stop: Stop) -> Iterator[Prepared]:
        """Yield messages as they are ready; InputError where the source turns out to be unreadable."""
        self._thread.start()
        while not stop.is_set():
            try:
                item = self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item

    def close(self) -> bool:
        """Stop reading; False where a frame takes so long that the thread still runs."""
        self._closed.set()
        self._thread.join(2.0)
        return not self._thread.is_alive()

    def _read(self) -> None:
        end: Optional[Exception] = None
        with suppress(OSError):
            os.nice(NICENESS)       # of this thread alone, on Linux
        try:
            count = 0
            for prepared in self._endless():
                count += 1
                if not self._put(prepared) or count == self._max_frames:
                    break
        except Exception as error:
            end = error
        self._put(end)

    def _put(self, item: Any) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def _endless(self) -> Iterator[Prepared]:
        """Yield the source's frames once or for ever, their stamps growing."""
        period = int(1e9 / (self._rate or self._source.rate))
        shift: Optional[int] = None
        last = 0
        while True:
            count = 0
            for frame in self._source.frames():
                try:
                    prepared = self._prepare(frame)
                except InputError as error:
                    self._log.warn(f'{self._source.name}: frame left out: {error}')
                    continue
                if count == 0 and last:
                    shift = last + period - prepared.stamp_ns
                stamp_ns = prepared.stamp_ns + (shift or 0)
                if self._rate and last:
                    stamp_ns = last + period
                last = stamp_ns
                count += 1
                yield prepared._replace(stamp_ns=stamp_ns)
            if not count:
                raise InputError(f'source {self._source.name}: no frame in it can be played')
            if not self._loop:
                return
