"""Instance-level IoU (iIoU) as Cityscapes defines it: every object counts alike, whatever its size.

Cordts et al., The Cityscapes Dataset (CVPR 2016), section 4.1, and the evaluator of the public
`cityscapesscripts`, whose results this equals. An instance's pixels are weighted by the class's average
instance size over its own size, in true positives and false negatives; false positives, which belong to
no instance, are not weighted. Groups of objects are no instances and add nothing.
"""

from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np

from ..classes import IGNORE, ClassTable
from ..errors import InputError
from . import scores
from .confusion import ConfusionMatrix, as_bytes, same_size

# Mean instance size in pixels at 2048 x 1024, from cityscapesscripts.
CITYSCAPES_SIZES = {
    'person': 3462.4756337644, 'rider': 3930.4788056518, 'car': 12794.0202738185,
    'truck': 27855.1264367816, 'bus': 35732.1511111111, 'train': 67583.7075812274,
    'motorcycle': 6298.7200839748, 'bicycle': 4672.3249222261}
# Labels that are not evaluated, but whose prediction counts as the category: caravan and trailer.
CITYSCAPES_MEMBERS = {29: 'vehicle', 30: 'vehicle'}
_PER_CLASS = 1000       # Cityscapes: an instance's value is labelId * 1000 + number


class InstanceCounts:
    """What iIoU needs, summed over any number of images; mergeable."""

    def __init__(self, classes: ClassTable, prediction_lut: Optional[np.ndarray] = None,
                 instance_lut: Optional[np.ndarray] = None,
                 members: Optional[Mapping[int, str]] = None) -> None:
        """Count for the classes of a table.

        `prediction_lut` (256,) uint8 brings predictions into class indices (`classes.id_table()` for
        images of labelIds); `members` then names values that are no class but count as a category
        (CITYSCAPES_MEMBERS for labelIds). `instance_lut` (256,) uint8 gives the class of an instance's
        labelId where instances are coded as Cityscapes does, labelId * 1000 + number; without it any
        non-zero number is an instance of the class that the truth has there.
        """
        self.classes = classes
        self.categories, self._category = _categories(classes)
        self._instance_lut = None if instance_lut is None else np.asarray(instance_lut, np.uint8)
        lut = np.arange(256) if prediction_lut is None else np.asarray(prediction_lut, np.int64)
        # Beyond the classes one more value for each category: what belongs to it without being a class.
        extended = np.where(lut < len(classes), lut, IGNORE)
        for value, category in (members or {}).items():
            if category in self.categories:
                extended[value] = len(classes) + self.categories.index(category)
        self._lut = extended.astype(np.uint8)
        self._matrix = ConfusionMatrix(len(classes) + len(self.categories))
        # Per class: instances, their pixels, and the sums of the share of each that was found as its
        # class and as its category.
        self.count = np.zeros(len(classes), np.int64)
        self.pixels = np.zeros(len(classes), np.int64)
        self.found = np.zeros(len(classes))
        self.found_category = np.zeros(len(classes))

    @property
    def any(self) -> bool:
        """Whether frames with instance annotations were counted, even if no instance was in them."""
        return bool(self._matrix.counts.any())

    def update(self, prediction: np.ndarray, truth: np.ndarray, instances: np.ndarray) -> None:
        """Count one image.

        `prediction` (H, W) uint8 in the coding of `prediction_lut`; `truth` (H, W) uint8 class indices,
        255 ignored; `instances` (H, W) int: an object's number, or as `instance_lut` has it.
        """
        same_size(instances, truth, 'instances')
        truth, extended = as_bytes(truth), self._lut[as_bytes(prediction)]
        # Truth knows no values beyond the classes.
        self._matrix.update(extended, np.where(truth < len(self.classes), truth, np.uint8(IGNORE)))
        inside, label = self._objects(truth, instances)
        predicted = extended[inside]
        own = self._category_of(label)
        # One number an object and class: what the objects of one value share is their class.
        keys, which = np.unique(instances[inside].astype(np.int64) * 256 + label, return_inverse=True)
        sizes = np.bincount(which)
        found = np.bincount(which[predicted == label], minlength=len(sizes)) / sizes
        in_category = (own >= 0) & (self._category_of(predicted) == own)
        found_category = np.bincount(which[in_category], minlength=len(sizes)) / sizes
        index = keys % 256
        for total, part in ((self.count, 1), (self.pixels, sizes), (self.found, found),
                            (self.found_category, found_category)):
            np.add.at(total, index, part)

    def _objects(self, truth: np.ndarray, instances: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Return where instances of counted classes are, (H, W) bool, and the class of each such pixel."""
        if self._instance_lut is None:
            inside, label = instances > 0, truth
        else:
            inside = (instances > _PER_CLASS) & (instances < 256 * _PER_CLASS)
            label = self._instance_lut[np.where(inside, instances // _PER_CLASS, 0)]
        counted = np.zeros(256, bool)
        counted[:len(self.classes)] = self.classes.instances
        inside = inside & counted[label]
        return inside, label[inside]

    def _category_of(self, extended: np.ndarray) -> np.ndarray:
        table = np.full(256, -1)
        table[:len(self._category)] = self._category
        return table[extended]

    def merge(self, other: 'InstanceCounts') -> 'InstanceCounts':
        """Add another part's counts to this one; return self."""
        if other.classes.names != self.classes.names:
            raise InputError(f"instance counts of '{self.classes.name}' and '{other.classes.name}' cannot "
                             "be merged")
        self._matrix.merge(other._matrix)
        for name in ('count', 'pixels', 'found', 'found_category'):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def scores(self, average_sizes: Optional[Mapping[str, float]] = None) -> Dict[str, Any]:
        """Return class_iiou, category_iiou and their means; NaN and left out where undefined.

        `average_sizes` in pixels per class (CITYSCAPES_SIZES for that benchmark); without them the
        averages of the instances that were counted.
        """
        if average_sizes is None:
            size = scores.ratio(self.pixels, self.count)
        else:
            size = np.array([average_sizes.get(name, np.nan) for name in self.classes.names])
            missing = [name for name, count, known in zip(self.classes.names, self.count, size)
                       if count and np.isnan(known)]
            if missing:
                raise InputError('no average instance size for: {}'.format(', '.join(missing)))
        size = np.where(self.count > 0, size, 0)
        columns = self._matrix.counts[:len(self.classes), :-1]
        has_instances = np.array(self.classes.instances)
        false_class = columns.sum(0)[:len(self.classes)] - np.diag(columns)
        by_class = np.where(
            has_instances, scores.ratio(size * self.found, size * self.count + false_class), np.nan)
        by_category = np.array([self._category_score(index, size) for index in range(len(self.categories))])
        return {'class_iiou': {name: value for name, value, known in zip(
                    self.classes.names, by_class.tolist(), has_instances) if known},
                'mean_class_iiou': float(scores.average(by_class)),
                'category_iiou': dict(zip(self.categories, by_category.tolist())),
                'mean_category_iiou': float(scores.average(by_category))}

    def _category_score(self, index: int, size: np.ndarray) -> float:
        inside = self._category == index
        rows = inside[:len(self.classes)]
        false = self._matrix.counts[:len(self.classes), :-1][~rows][:, inside].sum()
        total = (size * self.count)[rows].sum() + false
        return float(scores.ratio((size * self.found_category)[rows].sum(), total))

    def to_dict(self) -> Dict[str, Any]:
        """Return what `restore` reads: plain types for JSON."""
        return {'matrix': self._matrix.counts.tolist(), 'count': self.count.tolist(),
                'pixels': self.pixels.tolist(), 'found': self.found.tolist(),
                'found_category': self.found_category.tolist()}

    @classmethod
    def restore(cls, classes: ClassTable, data: Mapping[str, Any]) -> 'InstanceCounts':
        """Restore the counts of `to_dict`, to merge or score them; InputError where they do not fit."""
        counts = cls(classes)
        try:
            counts._matrix.merge(ConfusionMatrix.from_counts(data['matrix']))
            for name, kind in (('count', np.int64), ('pixels', np.int64), ('found', float),
                               ('found_category', float)):
                getattr(counts, name)[:] = np.asarray(data[name], kind)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"instance counts do not fit class table '{classes.name}': {error}") from None
        return counts


def _categories(classes: ClassTable) -> Tuple[List[str], np.ndarray]:
    """Return the categories made of instance classes, and the category (or -1) of each extended value."""
    names = [name for name in dict.fromkeys(classes.categories) if name and all(
        has for has, category in zip(classes.instances, classes.categories) if category == name)]
    of_class = [names.index(name) if name in names else -1 for name in classes.categories]
    return names, np.array(of_class + list(range(len(names))))
