"""A run of evaluate_bag on the small bags of test/bags."""

import json
from pathlib import Path

import bag_samples as bags

from enet_ros.tools.evaluate_bag import main

PREDICTIONS = ['--predictions', bags.LABELS]


def run(tmp_path: Path, *arguments, name: str = 'result') -> dict:
    """Run the tool; return its JSON."""
    path = tmp_path / (name + '.json')
    assert main([str(argument) for argument in arguments] + ['--json', str(path)]) == 0
    return json.loads(path.read_text())
