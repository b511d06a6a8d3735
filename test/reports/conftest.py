"""What the tests of reports share."""

import pytest
from results import evaluation

from enet_ros.evaluation.offline import Evaluation


@pytest.fixture(scope='session')
def outcome() -> Evaluation:
    return evaluation()
