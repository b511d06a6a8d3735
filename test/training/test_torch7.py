"""The authors' Torch7 weights: OpenCV's answers, nothing executed, nothing promised believed."""

import os
from pathlib import Path
import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st
from lua import Layer, Writer, authors_file, layers_of, sequential
import numpy as np
import pytest
import torch
from torch import nn

from enet_ros import networks, weights
from enet_ros.errors import InputError
from enet_ros.tools.import_weights import main
from enet_ros.training import enet_cityscapes, torch7

OPENCV4 = """
import cv2, numpy, sys
network = cv2.dnn.readNetFromTorch(sys.argv[1], True)
network.setInput(numpy.load(sys.argv[2]))
numpy.save(sys.argv[3], network.forward())
"""


def _network() -> nn.Module:
    """Return the authors' network with statistics and slopes that no default could be mistaken for."""
    torch.manual_seed(5)
    network = networks.build('enet', 20, 'authors-prelu')
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
        if isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0.05, 0.5)
    return network.eval()


@pytest.fixture(scope='module')
def written() -> bytes:
    """Return a file like the authors'."""
    return authors_file(_network())


def test_an_imported_network_answers_as_the_file_s(written: bytes, tmp_path: Path) -> None:
    """With old Torch's dropout factors after each norm; channel 0 is gone, the rest in our order."""
    (tmp_path / 'model.net').write_bytes(written)
    assert main([str(tmp_path / 'model.net'), str(tmp_path / 'out.npz')]) == 0
    stored = weights.load(tmp_path / 'out.npz')
    assert stored.classes.name == 'cityscapes' and 'CC BY-NC 4.0' in stored.licence
    assert stored.variant == 'authors-prelu' and len(stored.classes) == 19

    class Scaling(nn.Module):
        def __init__(self, kept: float) -> None:
            super().__init__()
            self.kept = kept

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.kept

    theirs = _network()
    for block in theirs.encoder.modules():
        if isinstance(block, nn.Sequential) and isinstance(block[-1], nn.Dropout2d):
            block[-1] = Scaling(1 - block[-1].p)
    checkpoint = enet_cityscapes.convert(torch7.load(tmp_path / 'model.net'), 'test')
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        mine = networks.from_checkpoint(checkpoint).double()(image)
        assert torch.allclose(mine, theirs.double()(image)[:, 1:], atol=1e-5) and mine.std() > 0.01


def test_values_of_every_kind_are_read() -> None:
    """Numbers, text, truth, nothing, nested and shared tables, tensors with strides and offsets."""
    writer = Writer()
    array = np.arange(12, dtype='<f4').reshape(3, 4).T
    writer.value({'a': 1.5, 2: 'text', 'yes': True, 'nothing': None, 'table': {1: {}}, 'array': array})
    read = torch7._Reader(bytes(writer.data)).read()
    assert read['a'] == 1.5 and read[2] == 'text' and read['yes'] is True and read['nothing'] is None
    # The writer stores a transposed array in its own order, with the strides of the original.
    assert read['array'].shape == (4, 3) and read['table'] == {1: {}}


def test_other_files_are_told(written: bytes, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Code, foreign classes, other networks, cut files: one line that names the file, and no output."""
    code, foreign, other = Writer(), Writer(), Writer()
    code.value(Layer('nn.Sequential'))
    del code.data[-8:]          # the value of its only field
    code.integer(6, 9, 4)       # a function: its byte code would follow
    foreign.value(Layer('os.Command', run='rm'))
    other.value(sequential(layers_of(_network())[:-1]))
    reshaped = written.replace(np.array([16, 20, 2, 2], '<i8').tobytes(),
                               np.array([16, 10, 2, 4], '<i8').tobytes())
    for data, told in ((bytes(code.data), 'type 6, which may be code'), (foreign.data, "class 'os.Command'"),
                       (other.data, 'layers with weights, not'), (written[:-9], 'ends too early|no room'),
                       (reshaped, 'decoder.last.weight is .16, 10, 2, 4.')):
        (tmp_path / 'x.net').write_bytes(bytes(data))
        with pytest.raises(InputError, match=told) as caught:
            enet_cityscapes.convert(torch7.load(tmp_path / 'x.net'), str(tmp_path / 'x.net'))
        assert 'x.net' in str(caught.value) and '\n' not in str(caught.value)
        assert main([str(tmp_path / 'x.net'), str(tmp_path / 'out.npz')]) == 2
    assert not (tmp_path / 'out.npz').exists()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_spoilt_files_are_refused_or_read(written: bytes, tmp_path_factory: pytest.TempPathFactory,
                                          data: st.DataObject) -> None:
    """Whatever a few bytes are changed to: an InputError or another table, never anything else."""
    spoilt = bytearray(written[:20000])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, 2000))
        spoilt[place:place + 4] = data.draw(st.binary(min_size=4, max_size=4))
    path = tmp_path_factory.getbasetemp() / 'spoilt.net'
    path.write_bytes(bytes(spoilt))
    with pytest.raises(InputError):     # it is cut as well
        enet_cityscapes.convert(torch7.load(path), str(path))


def test_many_views_of_one_storage_stay_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage is as long as the file; tensors that share it may not be made over and over."""
    monkeypatch.setattr(torch7, 'MAX_BYTES', 1 << 16)
    writer = Writer()
    writer.integer(3, 900)
    writer.integer(100)
    writer.value(1)
    writer.tensor(np.zeros(3000, np.float32))
    storage = writer._objects
    for number in range(99):
        writer.value(number + 2)
        writer.header('torch.CudaTensor')
        writer.integer(1)
        writer.long(3000, 1, 1)
        writer.integer(4, storage)
    (tmp_path / 'x.net').write_bytes(bytes(writer.data))
    with pytest.raises(InputError, match='more bytes than any such file'):
        torch7.load(tmp_path / 'x.net')


def test_the_authors_file_answers_as_opencv_4_reads_it(camvid_root: Path, tmp_path: Path) -> None:
    """Logits of the nineteen classes on a real frame: within 1e-4, and the same labels."""
    file, python = os.environ.get('ENET_TORCH7', ''), os.environ.get('ENET_OPENCV4', '')
    if not Path(file).is_file() or not Path(python).is_file():
        pytest.skip('ENET_TORCH7 names no model-cityscapes.net, or ENET_OPENCV4 no python with OpenCV 4')
    from enet_ros.datasets import open_dataset
    frame = open_dataset(camvid_root, 'val')[0].image
    image = (frame[:352, :480].transpose(2, 0, 1)[None] / np.float32(255)).astype(np.float32)
    np.save(str(tmp_path / 'image.npy'), image)
    (tmp_path / 'opencv4.py').write_text(OPENCV4)
    subprocess.run([python, str(tmp_path / 'opencv4.py'), file, str(tmp_path / 'image.npy'),
                    str(tmp_path / 'logits.npy')], check=True, timeout=300)
    theirs = np.load(str(tmp_path / 'logits.npy'))[:, 1:]
    network = networks.from_checkpoint(enet_cityscapes.convert(torch7.load(Path(file)), file))
    with torch.no_grad():
        mine = network.double()(torch.from_numpy(image).double()).numpy()
    assert np.abs(mine - theirs).max() < 1e-4 and theirs.std() > 1
    top = np.sort(theirs, 1)
    clear = top[:, -1] - top[:, -2] > 2e-4       # elsewhere rounding may decide
    assert (mine.argmax(1) == theirs.argmax(1))[clear].all() and clear.mean() > 0.99
