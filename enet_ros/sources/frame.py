"""What every source yields."""

from typing import Any, Dict, NamedTuple, Optional, Tuple

import numpy as np

from ..bags.messages import COMPRESSED, ImageMessage
from ..classes import ClassTable

DEFAULT_RATE = 15.0     # Hz, of sources without times
EPOCH_NS = 10 ** 9      # where sources without a date begin: 0 is no time on a ROS clock


class SourceFrame(NamedTuple):
    """
    One frame.

    Either `image`, (H, W, 3) uint8 in `order`, or `serialized`, a sensor_msgs message as it lay in a bag
    (its type and CDR bytes). `truth` is (H, W) uint8 or None, `matrix` the camera's (3, 3) intrinsics or
    None, `info` a serialized CameraInfo or None. `name` is the file's, '' where there is none.
    """

    stamp_ns: int
    frame_id: str
    image: Optional[np.ndarray] = None
    order: str = 'rgb'
    serialized: Optional[Tuple[str, bytes]] = None
    truth: Optional[np.ndarray] = None
    matrix: Optional[np.ndarray] = None
    info: Optional[bytes] = None
    name: str = ''

    def pixels(self) -> Tuple[np.ndarray, str]:
        """Return (H, W, 3) uint8 and its order, 'rgb' or 'bgr'; InputError where a message holds none."""
        if self.image is not None:
            return self.image, self.order
        assert self.serialized is not None
        return ImageMessage('', self.serialized[0], self.stamp_ns, self.serialized[1]).image()


class Source(NamedTuple):
    """`frames()` starts over at each call; `count` is None where it is unknown; `rate` is the source's own.

    `classes` is the coding of its ground truth, None where it has none. `problems` says, once frames have
    been read, what was damaged and how often. `kind` is 'stills', 'moving' or, of a camera, 'live'.
    """

    name: str
    rate: float
    count: Optional[int]  # type: ignore[assignment]  # hides tuple.count
    frames: Any
    classes: Optional[ClassTable]
    problems: Dict[str, int]
    kind: str = 'moving'


def is_compressed(type_: str) -> bool:
    """Tell whether a serialized message's type is CompressedImage."""
    return type_ == COMPRESSED
