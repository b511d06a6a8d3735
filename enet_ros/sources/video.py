"""Video files and cameras, by OpenCV; writing MP4, by PyAV."""

from fractions import Fraction
import os
from pathlib import Path
import time
from typing import Any, Dict, Iterator, Optional, Union

import cv2
import numpy as np

from ..errors import InputError
from ..libraries import need
from .frame import EPOCH_NS, Source, SourceFrame

# FFmpeg's own words about a damaged file; ours, one line, follow.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '8')


def open_video(path: Union[Path, int]) -> Source:
    """Open a video file or, by its number, a camera of this machine; InputError where there is none."""
    capture = cv2.VideoCapture(path if isinstance(path, int) else str(path))
    opened, rate = capture.isOpened() and capture.grab(), capture.get(cv2.CAP_PROP_FPS)
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    problems: Dict[str, int] = {}
    if isinstance(path, int):
        if not opened:
            raise InputError(f'camera {path}: there is none that OpenCV can open (/dev/video{path})')
        return Source(f'camera {path}', rate if 0 < rate <= 1000 else 30.0, None,
                      lambda: _frames(path, None, None, problems), None, problems, 'live')
    if not opened:
        raise InputError(f'source {path}: no video that OpenCV can read, and no bag')
    rate = rate if 0 < rate <= 1000 else 30.0
    known = count if count > 0 else None
    return Source(path.name, rate, known, lambda: _frames(path, rate, known, problems), None, problems)


def _frames(path: Union[Path, int], rate: Optional[float], count: Optional[int],
            problems: Dict[str, int]) -> Iterator[SourceFrame]:
    """Yield every frame; stamps by `rate`, or of a camera by the clock."""
    capture = cv2.VideoCapture(path if isinstance(path, int) else str(path))
    index = 0
    try:
        while True:
            there, image = capture.read()
            if not there:
                break
            stamp_ns = EPOCH_NS + int(index * 1e9 / rate) if rate else int(time.time() * 1e9)
            yield SourceFrame(stamp_ns, '', image, 'bgr')
            index += 1
    finally:
        capture.release()
    # Containers count roughly; a file cut short misses more than that.
    if count is not None and index < 0.95 * count - 2:
        problems[f'{path}: {count} frames announced, {index} could be read'] = 1


class Mp4Writer:
    """H.264 in an MP4 that browsers play, made whole when closed; `path` holds nothing before that.

    Frames keep their times. The first frame's size is the video's; later ones are resized to it.
    """

    def __init__(self, path: Path, rate: float = 30.0) -> None:
        """`rate` in Hz is how long the last frame lasts; InputError where PyAV is missing."""
        need('writing a video', ['av'])
        import av
        self.path = path
        self._rate = Fraction(rate).limit_denominator(1001)
        self._av: Any = av
        self._part = path.with_name(path.name + '.part')
        self._file: Any = None
        self._stream: Any = None
        self._first = self._last = 0

    def write(self, image: np.ndarray, stamp_ns: int, order: str = 'rgb') -> None:
        """Add an (H, W, 3) uint8 image in `order`."""
        if self._file is None:
            self._open(image.shape[0], image.shape[1], stamp_ns)
        height, width = self._stream.height, self._stream.width
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        code = cv2.COLOR_RGB2YUV_I420 if order == 'rgb' else cv2.COLOR_BGR2YUV_I420
        frame = self._av.VideoFrame.from_ndarray(cv2.cvtColor(image, code), 'yuv420p')
        frame.pts = self._last = max((stamp_ns - self._first) * 9 // 100000, self._last + 1)
        frame.duration = int(90000 / self._rate)
        self._file.mux(self._stream.encode(frame))

    def _open(self, height: int, width: int, stamp_ns: int) -> None:
        self._file = self._av.open(str(self._part), 'w', format='mp4', options={'movflags': '+faststart'})
        # The network is busy at the same time: 'veryfast' on every core costs 2.5 times the processor time.
        self._stream = self._file.add_stream('libx264', rate=self._rate, options={
            'preset': 'superfast', 'crf': '23', 'threads': str(max(1, (os.cpu_count() or 1) // 2))})
        # The chroma of H.264's common form has half the size.
        self._stream.height, self._stream.width = max(2, height // 2 * 2), max(2, width // 2 * 2)
        self._stream.pix_fmt = 'yuv420p'
        self._stream.codec_context.time_base = Fraction(1, 90000)
        self._first, self._last = stamp_ns, -1

    def close(self) -> None:
        """Write the end and put the file in its place; a second call does nothing."""
        if self._file is not None:
            self._file.mux(self._stream.encode())
            self._file.close()
            os.replace(str(self._part), str(self.path))
            self._file = None
