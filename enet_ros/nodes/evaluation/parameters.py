"""The parameters of evaluation_node: names, defaults, ranges, and what they open."""

from typing import Any, Dict, Mapping, Optional, Tuple

from ...bags.live_truth import TOLERANCE_S, LiveFolderTruth
from ...bags.truth import tolerance
from ...classes import ClassTable
from ...datasets import open_dataset
from ...metrics.scores import ABSENT
from ...weights import Checkpoint
from ..common.parameters import Parameter

PARAMETERS: Dict[str, Parameter] = {
    'weights': Parameter('', 'weights that made the labels: their classes are used, the result names them'),
    'prediction_classes': Parameter('', 'class table of the labels, a shipped name or a YAML file; empty: '
                                        'that of the weights or, without weights, camvid'),
    'truth_classes': Parameter('', 'class table of the annotations; empty: that of the labels'),
    'annotations': Parameter('', 'data-set folder with the annotations, instead of the topic ground_truth'),
    'split': Parameter('', 'split of that folder; empty: all of it'),
    'sidecar': Parameter('', 'CSV (filename,stamp,sequence) of which annotation belongs to which '
                             'stamp'),
    'truth_offset': Parameter(0.0, "seconds added to the folder's own times before stamps are compared",
                              (-1e12, 1e12)),
    'match': Parameter('exact', 'stamps of labels and ground truth: equal (exact), or within MS milliseconds '
                                '(nearest:MS)'),
    'output': Parameter('', 'JSON file for the result, written at the end and by ~/save'),
    'report': Parameter('', 'HTML file for the report, written at the end and by ~/save'),
    'csv': Parameter('', 'CSV file with one line per scored frame'),
    'absent': Parameter('skip', 'classes with neither truth nor prediction: skip them in means, or zero',
                        choices=ABSENT),
    'boundary': Parameter(True, 'also measure boundary IoU'),
    'depth': Parameter(120, 'images of each topic that may wait for their counterpart', (1, 10000)),
    'period': Parameter(1.0, 'seconds between summaries', (0.05, 3600.0)),
    'exit_after_idle': Parameter(0.0, 'seconds without labels or truth after which the node ends; 0: never',
                                 (0.0, 86400.0)),
}


def open_folder(values: Mapping[str, Any]) -> Optional[LiveFolderTruth]:
    """Open the annotation folder where one is named."""
    within_ms = tolerance(values['match'])      # InputError before anything is opened
    if not values['annotations']:
        return None
    dataset = open_dataset(values['annotations'], values['split'] or None)
    return LiveFolderTruth(dataset, values['sidecar'], values['truth_offset'],
                           TOLERANCE_S if within_ms is None else within_ms / 1e3)


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
