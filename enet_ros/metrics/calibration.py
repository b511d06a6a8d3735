"""How true a network's confidence is: of what it calls 80 % probable, 80 % should be right.

Reliability diagram and expected calibration error: Guo et al., On Calibration of Modern Neural Networks
(ICML 2017), section 2, with their 15 bins of equal width.
"""

from typing import Any, Dict, List

import numpy as np

from ..classes import IGNORE

BINS = 15


class CalibrationCounts:
    """Pixels by their confidence, wrong and right ones; mergeable."""

    def __init__(self) -> None:
        """Begin without pixels."""
        self.counts = np.zeros((256, 2), np.int64)      # rows: confidence times 255; columns: wrong, right

    def update(self, confidence: np.ndarray, prediction: np.ndarray, truth: np.ndarray) -> None:
        """Count one image: (H, W) uint8 all; pixels without a label or without truth are not counted."""
        known = (truth != IGNORE) & (prediction != IGNORE)
        places = 2 * confidence[known].astype(np.intp) + (prediction == truth)[known]
        self.counts += np.bincount(places, minlength=512).reshape(256, 2)

    def merge(self, other: 'CalibrationCounts') -> None:
        """Add another part's pixels."""
        self.counts += other.counts

    def scores(self) -> Dict[str, Any]:
        """Return `expected_calibration_error` and `reliability`, one entry a bin that has pixels.

        An entry has `confidence` (mean), `accuracy` and `share` of the pixels, fractions. Empty where
        nothing was counted.
        """
        total = int(self.counts.sum())
        if not total:
            return {}
        values = np.arange(256) / 255
        # Guo's bins are open below: (0, 1/15], (1/15, 2/15] ...
        places = np.maximum(np.ceil(values * BINS - 1e-9).astype(int) - 1, 0)
        bins: List[Dict[str, float]] = []
        for place in range(BINS):
            part = self.counts[places == place]
            pixels = int(part.sum())
            if pixels:
                bins.append({'confidence': float(values[places == place] @ part.sum(axis=1)) / pixels,
                             'accuracy': int(part[:, 1].sum()) / pixels, 'share': pixels / total})
        error = sum(entry['share'] * abs(entry['accuracy'] - entry['confidence']) for entry in bins)
        return {'expected_calibration_error': error, 'reliability': bins}
