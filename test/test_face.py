"""The package's own module: small until something is asked of it."""

import subprocess
import sys

import pytest

import enet_ros


def test_nothing_heavy_is_loaded_before_it_is_asked_for() -> None:
    """An executable must be able to hear Ctrl-C from the first moment on."""
    code = ('import enet_ros, enet_ros.__main__, sys\n'
            'print({"numpy", "cv2", "yaml", "torch"} & set(sys.modules))')
    assert subprocess.check_output([sys.executable, '-c', code]) == b'set()\n'


def test_face() -> None:
    """Everything that is promised is there, and nothing else."""
    from enet_ros import ClassTable, InputError, Segmenter
    assert Segmenter is enet_ros.Segmenter and issubclass(InputError, ValueError)
    assert ClassTable.load('camvid').names and {'Segmenter', '__version__'} <= set(dir(enet_ros))
    with pytest.raises(AttributeError, match='Segmentor'):
        enet_ros.Segmentor
    with pytest.raises(ImportError):
        from enet_ros import Segmentor  # noqa: F401
