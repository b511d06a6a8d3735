"""The files of evaluation_node, written in a process of their own while scoring goes on."""

import pickle
from typing import Any, Dict, List, Mapping

from ...evaluation.offline import provenance
from ...evaluation.online import LiveEvaluation
from ...json_files import write_json


def snapshot(live: LiveEvaluation) -> bytes:
    """Return the scores so far, without the images that wait, for `save`."""
    return pickle.dumps((live.evaluator, live.coverage()), protocol=4)


def save(data: bytes, options: Mapping[str, Any], sources: Dict[str, Any]) -> List[str]:
    """Write the files that the node's parameters name; return their names.

    `data` comes from `snapshot`; `sources` go into the result. InputError where a file cannot be written:
    the JSON comes first, so that nothing else can lose it.
    """
    evaluator, coverage = pickle.loads(data)
    result = dict(evaluator.result(options['absent']), **coverage)
    result['provenance'], result['weights'] = provenance(**sources), sources.get('weights')
    written = []
    if options['output']:
        write_json(options['output'], result)
        written.append(options['output'])
    if options['report']:
        # Needs Jinja2, which a robot without reports does not.
        from ...reports.html import write_report
        write_report(options['report'], result, evaluator.examples)
        written.append(options['report'])
    return written
