"""Frames to a GPU and labels back, as bytes."""

from typing import Tuple

import numpy as np
import torch
from torch import Tensor


class FrameBuffers:
    """Fixed buffers of one engine: pinned memory on the host, what the network takes on the device.

    Nothing here waits: everything is queued on the current stream.
    """

    def __init__(self, input_size: Tuple[int, int], dtype: torch.dtype, device: str = 'cuda',
                 channels_last: bool = False) -> None:
        """`image` becomes (1, 3, H, W) of `dtype` on `device`; on the CPU nothing is pinned."""
        pinned = device != 'cpu'
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self._frame = torch.empty(tuple(input_size) + (3,), dtype=torch.uint8, pin_memory=pinned)
        self._labels = torch.empty(tuple(input_size), dtype=torch.uint8, pin_memory=pinned)
        self._bytes = torch.empty(tuple(input_size) + (3,), dtype=torch.uint8, device=device)
        self._best = torch.empty(tuple(input_size), dtype=torch.uint8, device=device)
        self.image = torch.empty((1, 3) + tuple(input_size), dtype=dtype, device=device).contiguous(
            memory_format=layout)
        self._pinned: np.ndarray = self._frame.numpy()
        self._fetched: np.ndarray = self._labels.numpy()
        self._copy = np.empty(tuple(input_size), np.uint8)

    def load(self, frame: np.ndarray) -> None:
        """Queue (H, W, 3) uint8 RGB as `image` in [0, 1]; the previous frame's work must be done."""
        self.upload(frame)
        self.scale()

    def upload(self, frame: np.ndarray) -> None:
        """Queue the frame's way to the device."""
        self._pinned[...] = frame
        self._bytes.copy_(self._frame, non_blocking=True)

    def scale(self) -> None:
        """Queue the uploaded bytes' conversion to `image`."""
        # Bytes are exact in fp16, and dividing rounds once; a weight of w / 255 would be subnormal.
        self.image.copy_(self._bytes.permute(2, 0, 1)[None])
        self.image.div_(255)

    def reduce(self, logits: Tensor) -> None:
        """Queue the argmax of (1, C, H, W), the first class on ties, as bytes on the device."""
        self._best.copy_(logits[0].argmax(0))

    def store(self, logits: Tensor) -> None:
        """Queue the argmax and its way to `labels`."""
        self.reduce(logits)
        self.fetch()

    def labels(self) -> np.ndarray:
        """Return the fetched labels (H, W) uint8 in ordinary memory, once the stream is done.

        A TX1's processor reads pinned memory uncached, so what is handed out is a copy.
        """
        np.copyto(self._copy, self._fetched)
        return self._copy

    def fetch(self) -> None:
        """Queue the labels' way to the host."""
        self._labels.copy_(self._best, non_blocking=True)
