"""The parameters of evaluation_node: names, defaults, ranges, and what they open."""

from typing import Any, Dict, Mapping, Optional, Tuple

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from ...bags.live_truth import LiveFolderTruth
from ...classes import ClassTable
from ...datasets import open_dataset
from ...errors import InputError
from ...metrics.scores import ABSENT
from ...weights import Checkpoint

# name: (default, description, (least, most) or None)
PARAMETERS: Dict[str, Tuple[Any, str, Optional[Tuple[Any, Any]]]] = {
    'weights': ('', 'weights that made the labels: they name the classes, and stand in the result', None),
    'prediction_classes': ('', 'class table of the labels, a shipped name or a YAML file; empty: that of the '
                           'weights or, without weights, camvid', None),
    'truth_classes': ('', 'class table of the annotations; empty: that of the labels', None),
    'annotations': ('', 'data-set folder with the annotations, instead of the topic ground_truth', None),
    'split': ('', 'split of that folder; empty: all of it', None),
    'sidecar': ('', 'CSV (filename,stamp,sequence) that says which annotation belongs to which stamp', None),
    'truth_offset': (0.0, "seconds added to the folder's own times before stamps are compared",
                     (-1e12, 1e12)),
    'output': ('', 'JSON file for the result, written at the end and by ~/save', None),
    'report': ('', 'HTML file for the report, written at the end and by ~/save', None),
    'csv': ('', 'CSV file with one line per scored frame', None),
    'absent': ('skip', 'classes with neither truth nor prediction: skip them in means, or zero', None),
    'boundary': (True, 'also measure boundary IoU', None),
    'depth': (120, 'images of each topic that may wait for their counterpart', (1, 10000)),
    'period': (1.0, 'seconds between summaries', (0.05, 3600.0)),
    'exit_after_idle': (0.0, 'seconds without labels or truth after which the node ends; 0: never',
                        (0.0, 86400.0)),
}


def declare(node: Node) -> Dict[str, Any]:
    """Declare every parameter and return the checked values; InputError for one out of its range."""
    values = {name: _declare(node, name, *entry) for name, entry in PARAMETERS.items()}
    if values['absent'] not in ABSENT:
        raise InputError("parameter absent is '{}': use skip or zero".format(values['absent']))
    return values


def _declare(node: Node, name: str, default: Any, description: str,
             limits: Optional[Tuple[Any, Any]]) -> Any:
    descriptor = ParameterDescriptor(description=description, read_only=True)
    if limits and isinstance(default, int):
        descriptor.integer_range = [IntegerRange(from_value=limits[0], to_value=limits[1], step=0)]
    elif limits:
        # Dynamic typing lets a user write period:=2; rclpy would refuse the whole number for a double.
        descriptor.dynamic_typing = True
        descriptor.floating_point_range = [FloatingPointRange(from_value=limits[0], to_value=limits[1])]
    value = node.declare_parameter(name, default, descriptor).value
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if limits and not (number and limits[0] <= value <= limits[1]):
        raise InputError('parameter {} is {!r}; it is a number from {} to {}'.format(name, value, *limits))
    return value


def open_folder(values: Mapping[str, Any]) -> Optional[LiveFolderTruth]:
    """Open the annotation folder where one is named."""
    if not values['annotations']:
        return None
    dataset = open_dataset(values['annotations'], values['split'] or None)
    return LiveFolderTruth(dataset, values['sidecar'], values['truth_offset'])


def class_tables(values: Mapping[str, Any], checkpoint: Optional[Checkpoint],
                 folder: Optional[LiveFolderTruth]) -> Tuple[ClassTable, ClassTable]:
    """Return the class tables of the labels and of the truth."""
    named = values['prediction_classes']
    if named or checkpoint is None:
        predicted = ClassTable.load(named or 'camvid')
    else:
        predicted = checkpoint.classes
    if values['truth_classes']:
        return predicted, ClassTable.load(values['truth_classes'])
    return predicted, predicted if folder is None else folder.classes
