"""Freed memory that is used again, in a process of its own: mallopt cannot be undone."""

import platform
import subprocess
import sys

import pytest

PAGES = """
import gc, resource, sys
from enet_ros.nodes.common.memory import collect_objects, freeze_objects, keep_freed_memory
if sys.argv[1] == 'keep':
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def images():
    pieces = b'i' * (700 << 10), b'j' * (3 << 20)
images()
before = faults()
for _ in range(20):
    images()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='mallopt is of glibc')
def test_an_image_no_longer_costs_its_pages_anew() -> None:
    faults = {how: int(subprocess.run([sys.executable, '-c', PAGES, how], stdout=subprocess.PIPE, check=True
                                      ).stdout) for how in ('keep', 'leave')}
    assert 5 * faults['keep'] < faults['leave']


FREEZING = """
import gc, weakref
from enet_ros.nodes.common.memory import collect_objects, freeze_objects
class Node:
    pass
node = Node()
node.itself, gone = node, weakref.ref(node)
freeze_objects()
del node
gc.collect()
assert gone() is not None, 'frozen objects are left alone'
collect_objects()
assert gone() is None
"""


@pytest.mark.skipif(sys.version_info < (3, 7), reason='gc.freeze came with Python 3.7')
def test_what_was_frozen_is_collected_at_the_end() -> None:
    subprocess.run([sys.executable, '-c', FREEZING], check=True)
