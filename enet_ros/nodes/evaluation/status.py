"""What evaluation_node says on /diagnostics."""

import json
from typing import Any, Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue


def evaluation_status(node: str, summary: Mapping[str, Any], labels: str, truth: str) -> DiagnosticStatus:
    """Return the running score as a status; a warning where nothing was scored yet, saying why.

    `summary` is `LiveEvaluation.summary`; `labels` and `truth` are the resolved topics.
    """
    status = DiagnosticStatus(name=node + ': score', level=DiagnosticStatus.OK)
    if summary['frames_evaluated']:
        status.message = 'mean IoU {:.3f} over {} frames'.format(
            summary['mean_iou'], summary['frames_evaluated'])
    else:
        status.level, status.message = DiagnosticStatus.WARN, _why_nothing(summary, labels, truth)
    status.values = [KeyValue(key=key, value=_text(value)) for key, value in summary.items()
                     if key != 'class_iou']
    return status


def _why_nothing(summary: Mapping[str, Any], labels: str, truth: str) -> str:
    for count, topic in (('predictions', labels), ('truth_frames', truth)):
        if not summary[count]:
            return f'nothing heard on {topic}'
    return 'labels and ground truth arrive, but their stamps never agree: are they of one recording?'


def _text(value: Any) -> str:
    return f'{value:.4f}' if isinstance(value, float) else json.dumps(value)
