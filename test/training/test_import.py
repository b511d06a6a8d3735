"""PyTorch-ENet's checkpoints: same answers, no code executed."""

import os
from pathlib import Path
import pickle
import zipfile

import numpy as np
import port
import pytest
import torch

from enet_ros import networks, weights
from enet_ros.classes import ClassTable
from enet_ros.errors import InputError
from enet_ros.tools.import_weights import main
from enet_ros.training import pytorch_enet, torch_file


def _save(path: Path, network: torch.nn.Module, modern: bool) -> Path:
    """Save as that project does: epoch, a numpy scalar, state dict and optimiser."""
    optimiser = torch.optim.Adam(network.parameters())
    torch.save({'epoch': 300, 'miou': np.float64(0.594), 'state_dict': network.state_dict(),
                'optimizer': optimiser.state_dict()}, str(path), _use_new_zipfile_serialization=modern)
    return path


@pytest.mark.parametrize('modern', [True, False])
@pytest.mark.parametrize('classes, void', [(12, 11), (20, 0)])
def test_imported_network_answers_as_the_original(modern: bool, classes: int, void: int,
                                                  tmp_path: Path) -> None:
    """Logits of every class equal the original's; only the void channel is gone."""
    original = port.trained(classes)
    assert sum(p.numel() for p in port.Port(12).parameters()) == 350652
    path = _save(tmp_path / 'ENet', original, modern)
    assert main([str(path), str(tmp_path / 'out.npz')]) == 0
    checkpoint = weights.load(tmp_path / 'out.npz')
    assert checkpoint.classes.name == ('camvid' if classes == 12 else 'cityscapes')
    assert 'non-commercial' in checkpoint.licence
    assert checkpoint.metadata['scores']['as_stated_by_its_file']['mean_iou'] == pytest.approx(0.594)
    exact = networks.from_checkpoint(pytorch_enet.convert(torch_file.load(path), 'test'))
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        mine, theirs = exact(image), original(image)
    kept = [channel for channel in range(classes) if channel != void]
    assert torch.allclose(mine, theirs[:, kept], atol=1e-4)
    assert theirs.std() > 0.01


def test_class_orders_are_those_of_that_project() -> None:
    """Every class of ours is there once, and the rest is void."""
    for name, order in pytorch_enet.CLASS_ORDERS.items():
        assert sorted(c for c in order if c) == sorted(ClassTable.load(name).names) and order.count(None) == 1


def test_a_bare_state_dict_and_one_of_several_gpus(tmp_path: Path) -> None:
    """Early files are the state dict itself; DataParallel puts 'module.' before every name."""
    state = port.trained(12).state_dict()
    torch.save(state, str(tmp_path / 'bare'))
    torch.save({'module.' + name: value for name, value in state.items()}, str(tmp_path / 'parallel'))
    bare, parallel = (pytorch_enet.convert(torch_file.load(tmp_path / name), name)
                      for name in ('bare', 'parallel'))
    assert all((bare.arrays[name] == parallel.arrays[name]).all() for name in bare.arrays)


def test_arrays_equal_torch_load(tmp_path: Path) -> None:
    """Views, transposes, shared storages, empty and integer tensors come out as torch reads them."""
    base = torch.arange(24, dtype=torch.float32)
    saved = {'view': base.view(2, 3, 4)[:, 1:], 'turned': base.view(4, 6).t(), 'long': torch.tensor([7, -1]),
             'empty': torch.zeros(0, 3), 'half': base[:4].half(), 'bool': torch.tensor([True, False]),
             'scalar': torch.tensor(3.5), 'list': [base[2:4], 1, 'x', None]}
    for modern in (True, False):
        torch.save(saved, str(tmp_path / 'x'), _use_new_zipfile_serialization=modern)
        read = torch_file.load(tmp_path / 'x')
        for name in ('view', 'turned', 'long', 'empty', 'half', 'bool', 'scalar'):
            assert read[name].dtype == saved[name].numpy().dtype
            assert np.array_equal(read[name], saved[name].numpy())
        assert np.array_equal(read['list'][0], [2, 3]) and read['list'][1:] == [1, 'x', None]


class _OldTensor:
    """Pickles as torch before 0.4 wrote a tensor."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor

    def __reduce__(self):
        tensor = self.tensor
        return torch._utils._rebuild_tensor, (tensor.storage(), tensor.storage_offset(), tuple(tensor.size()),
                                              tensor.stride())


@pytest.mark.filterwarnings('ignore:TypedStorage is deprecated')
def test_checkpoints_of_2018_import(tmp_path: Path) -> None:
    """Tensors as torch 0.3 wrote them, without counters of batches: the same arrays."""
    state = {name: tensor for name, tensor in port.trained(12).state_dict().items()
             if not name.endswith('num_batches_tracked')}
    torch.save({'epoch': 10, 'state_dict': {name: _OldTensor(tensor) for name, tensor in state.items()}},
               str(tmp_path / 'ENet'), _use_new_zipfile_serialization=False)
    assert b'_rebuild_tensor\n' in (tmp_path / 'ENet').read_bytes()
    old = pytorch_enet.convert(torch_file.load(tmp_path / 'ENet'), 'old')
    new = pytorch_enet.convert({name: tensor.numpy() for name, tensor in state.items()}, 'new')
    assert all(np.array_equal(old.arrays[name], new.arrays[name]) for name in new.arrays)


class _Hostile:
    """Pickles to a call that leaves a file behind."""

    def __init__(self, target: Path, function=os.system) -> None:
        self.call = (function, (f'touch {target}',))

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize('way', ['zip', 'stream', 'pickle', 'scalar'])
def test_a_hostile_file_is_refused_and_nothing_runs(way: str, tmp_path: Path,
                                                    capsys: pytest.CaptureFixture) -> None:
    """Code hidden in a checkpoint is named and never called, wherever it hides."""
    target, path = tmp_path / 'owned', tmp_path / 'ENet'
    state = port.trained(12).state_dict()
    if way == 'pickle':
        path.write_bytes(pickle.dumps({'state_dict': _Hostile(target)}, protocol=2))
    elif way == 'scalar':
        torch.save({'miou': _Hostile(target, eval), 'state_dict': state}, str(path))
    else:
        torch.save({'state_dict': state, 'miou': _Hostile(target)}, str(path),
                   _use_new_zipfile_serialization=way == 'zip')
    assert main([str(path), str(tmp_path / 'out.npz')]) == 2
    told = capsys.readouterr().err
    assert told.count('\n') == 1 and str(path) in told
    if way != 'pickle':
        assert 'system' in told or 'eval' in told
    assert not target.exists() and not (tmp_path / 'out.npz').exists()


@pytest.mark.parametrize('spoil', ['cut', 'empty', 'text', 'short', 'beyond', 'bomb'])
def test_damaged_files_are_refused_in_one_line(spoil: str, tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Truncated, foreign and lying files: one line that names the file."""
    path = tmp_path / 'ENet'
    torch.save({'w': torch.arange(1000.0)}, str(path), _use_new_zipfile_serialization=spoil != 'cut')
    data = path.read_bytes()
    if spoil == 'cut':
        path.write_bytes(data[:len(data) - 300])
    elif spoil in ('empty', 'text'):
        path.write_bytes(b'' if spoil == 'empty' else b'hello')
    else:
        with zipfile.ZipFile(str(path)) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
        with zipfile.ZipFile(str(path), 'w', zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                if spoil == 'short' and name.endswith('data/0'):
                    content = content[:-4]
                if spoil == 'beyond' and name.endswith('data.pkl'):
                    content = content.replace(b'M\xe8\x03\x85', b'M\xe9\x03\x85')    # size (1000,) -> (1001,)
                archive.writestr(name, content)
            if spoil == 'bomb':
                monkeypatch.setattr(torch_file, '_MAX_BYTES', 1 << 20)
                archive.writestr('zeros', bytes(2 << 20))
    with pytest.raises(InputError, match='ENet') as caught:
        torch_file.load(path)
    assert '\n' not in str(caught.value)


def test_other_networks_are_told(tmp_path: Path) -> None:
    """A missing array, an early version, a strange number of classes: said so."""
    state = dict(port.trained(12).state_dict())
    numpy_state = {name: value.numpy() for name, value in state.items()}
    with pytest.raises(InputError, match='no state dict'):
        pytorch_enet.convert([1, 2], 'x')
    lacking = dict(numpy_state)
    lacking.pop('regular1_2.ext_conv1.0.weight')
    with pytest.raises(InputError, match='lacks regular1_2.ext_conv1.0.weight'):
        pytorch_enet.convert(lacking, 'x')
    early = {name.replace('out_activation', 'out_prelu'): value for name, value in numpy_state.items()}
    with pytest.raises(InputError, match='early version'):
        pytorch_enet.convert(early, 'x')
    three = dict(numpy_state)
    three['transposed_conv.weight'] = three['transposed_conv.weight'][:, :3]
    with pytest.raises(InputError, match='gives 3 classes'):
        pytorch_enet.convert(three, 'x')
