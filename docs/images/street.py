"""Draw street.jpg: a frame of the synthetic street, and its labels blended over it.

python docs/images/street.py
"""

from pathlib import Path

import cv2
import numpy as np

from enet_ros import Segmenter
from enet_ros.datasets import SyntheticStreet
from enet_ros.overlay import Overlay

SIZE = (360, 480)       # height, width
SEED, FRAME = 5, 40
SWATCH, LINE = 12, 24   # pixels


def legend(names, colours, width: int) -> np.ndarray:
    """Return a white strip with each class's colour and name, (H, width, 3) RGB."""
    columns = 6
    strip = np.full((LINE * -(-len(names) // columns) + 6, width, 3), 255, np.uint8)
    for index, (name, colour) in enumerate(zip(names, colours.tolist())):
        x, y = 8 + index % columns * width // columns, 8 + index // columns * LINE
        cv2.rectangle(strip, (x, y), (x + SWATCH, y + SWATCH), colour, -1)
        cv2.putText(strip, name, (x + SWATCH + 8, y + SWATCH - 1), cv2.FONT_HERSHEY_SIMPLEX, 0.45,
                    (40, 40, 40), 1, cv2.LINE_AA)
    return strip


def main() -> None:
    """Write the picture beside this file."""
    image = SyntheticStreet(SIZE, SEED, FRAME + 1)[FRAME].image
    with Segmenter.open('synthetic', engine='torch') as segment:
        blended = Overlay(segment.classes.palette(), 0.5)(image, segment(image), 'rgb')
        pair = np.concatenate([image, blended], axis=1)
        strip = legend(segment.classes.names, segment.classes.colours, pair.shape[1])
    picture = np.concatenate([pair, strip])
    cv2.imwrite(str(Path(__file__).with_suffix('.jpg')), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == '__main__':
    main()
