"""Results of noise, and what the tests ask about a page."""

from html.parser import HTMLParser

import cv2
import numpy as np

from enet_ros.classes import ClassTable
from enet_ros.evaluation.offline import Coverage, Frame, evaluate

CAMVID = ClassTable.load('camvid')


def frames(number, seed=0, noise=0.2, shape=(48, 64), classes=11):
    rng = np.random.default_rng(seed)
    for index in range(number):
        coarse = rng.integers(0, classes + 1, (shape[0] // 8, shape[1] // 8)).astype(np.uint8)
        truth = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_NEAREST)
        truth[truth == classes] = 255
        wrong = np.random.default_rng([index, int(100 * noise)]).random(shape) < noise
        prediction = np.where(wrong | (truth == 255), (truth + 1) % classes, truth).astype(np.uint8)
        image = rng.integers(0, 256, shape + (3,)).astype(np.uint8)
        yield Frame(f'frame {index}', f'drive {index // 10}', index / 15, image,
                    prediction=prediction, truth=truth)


def evaluation(number=24, coverage=None, **options):
    coverage = coverage or Coverage()
    outcome = evaluate(frames(number, **options), CAMVID, CAMVID, coverage=coverage)
    outcome.provenance = {'source': 'camvid test', 'split': 'test', 'command': 'enet_ros evaluate_dataset x',
                          'weights': 'w', 'versions': {'enet_ros': '0.1.0'}}
    return outcome


class Page(HTMLParser):
    """Collects what the tests ask about, and checks that tags close in order."""

    VOID = {'meta', 'br', 'img', 'link', 'input', 'hr'}

    def __init__(self, page):
        super().__init__()
        self.open, self.links, self.words, self.images = [], [], [], 0
        self.feed(page)
        assert self.open == [], self.open

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.open.append(tag)
        self.images += tag == 'img'
        self.links += [value for name, value in attributes if name in ('src', 'href')]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ['style']:
            self.words.append(data)

    @property
    def text(self):
        return ' '.join(' '.join(self.words).split())
