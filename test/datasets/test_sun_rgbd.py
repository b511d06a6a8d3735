"""SUN RGB-D: both layouts, and which label belongs to which image."""

from pathlib import Path
import pickle

from bounds import bounded
import numpy as np
import pytest
import trees

from enet_ros.datasets import open_dataset, sun_rgbd
from enet_ros.errors import InputError


def test_folders(tmp_path: Path) -> None:
    """Value 0 is ignored, value v is class v - 1."""
    dataset = open_dataset(trees.sun_rgbd(tmp_path, 'folders'), 'train')
    assert len(dataset) == 2 and len(dataset.classes) == 37
    assert dataset[0].label[0].tolist() == [255] + list(range(37))
    assert len(open_dataset(tmp_path)) == 4 and len(set(open_dataset(tmp_path).names())) == 4


@pytest.mark.parametrize('absolute', [False, True])
def test_tarballs_number_test_before_train(absolute: bool, tmp_path: Path) -> None:
    """Training labels go on at 5051, whether the training images count from 1 or from there."""
    trees.sun_rgbd(tmp_path, 'tarballs')
    if absolute:
        for number in (2, 1):
            source = tmp_path / 'SUNRGBD-train_images' / f'img-{number:06d}.jpg'
            source.rename(source.with_name(f'img-{5050 + number:06d}.jpg'))
    for split, marked in (('train', 0), ('test', 1)):
        dataset = open_dataset(tmp_path, split)
        assert len(dataset) == 2
        assert all((sample.label[0] == marked).all() for sample in dataset)
        assert dataset[0].label[1].tolist() == [255] + list(range(37))


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """Write the authors' form: MATLAB structs and cells, labels column by column behind references."""
    h5py, io = pytest.importorskip('h5py'), pytest.importorskip('scipy.io')
    folders = ['kv1/NYUdata/NYU0001', 'kv2/align_kv2/2014-12-18', 'xtion/sun3ddata/brown/img_7']
    (tmp_path / 'SUNRGBDtoolbox/Metadata').mkdir(parents=True)
    (tmp_path / 'SUNRGBDtoolbox/traintestSUNRGBD').mkdir()
    meta = np.zeros((1, 3), [('sequenceName', object), ('rgbname', object), ('K', object)])
    for index, folder in enumerate(folders):
        meta[0, index] = f'SUNRGBD/{folder}', f'{index}.jpg', np.eye(3)
        trees.write(tmp_path / 'SUNRGBD' / folder / f'image/{index}.jpg', trees.photo(6, 38))
    io.savemat(tmp_path / 'SUNRGBDtoolbox/Metadata/SUNRGBDMeta.mat', {'SUNRGBDMeta': meta})
    cells = {f'all{split}': np.array([[f'/n/fs/sun3d/data/SUNRGBD/{folders[i]}' for i in own]], object)
             for split, own in (('train', [0, 2]), ('test', [1]))}
    io.savemat(tmp_path / 'SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat', cells)
    with h5py.File(tmp_path / 'SUNRGBDtoolbox/Metadata/SUNRGBD2Dseg.mat', 'w') as file:
        labels = file.create_dataset('SUNRGBD2Dseg/seglabel', (3, 1), h5py.ref_dtype)
        for index in range(3):
            values = np.arange(38, dtype=np.uint8)[None].repeat(6, 0)
            values[0] = index + 1
            labels[index, 0] = file.create_dataset(f'#refs#/{index}', data=values.T).ref
    return tmp_path


def test_original_tree(original: Path) -> None:
    """Frames of a split in the toolbox's order, each with its own labels and picture."""
    for split, marked in (('train', [0, 2]), ('test', [1])):
        dataset = open_dataset(original, split)
        assert [sample.label[0].tolist() for sample in dataset] == [[mark] * 38 for mark in marked]
        assert dataset[0].label[1].tolist() == [255] + list(range(37))
        assert dataset[0].image.shape == (6, 38, 3)
    assert open_dataset(original, 'test').names() == ['test-kv2_align_kv2_2014-12-18']
    assert len(open_dataset(original)) == 3 and len(pickle.loads(pickle.dumps(dataset))) == 1
    next(original.rglob('1.jpg')).unlink()
    with pytest.raises(InputError, match='1.jpg'):
        dataset[0]


@pytest.mark.parametrize('name', ['Metadata/SUNRGBDMeta.mat', 'Metadata/SUNRGBD2Dseg.mat',
                                  'traintestSUNRGBD/allsplit.mat'])
def test_damaged_toolbox(name: str, original: Path) -> None:
    path = original / 'SUNRGBDtoolbox' / name
    for data in (b'', b'no MATLAB', path.read_bytes()[:300]):
        path.write_bytes(data)
        with pytest.raises(InputError):
            open_dataset(original, 'test')[0]


def test_a_toolbox_that_unpacks_to_more_than_it_says(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A packed list is counted before SciPy unpacks it; a whole one is read, packed or not."""
    io = pytest.importorskip('scipy.io')
    path = original / 'SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat'
    lists = {name: values for name, values in io.loadmat(str(path)).items() if name.startswith('all')}
    io.savemat(str(path), lists, do_compression=True)
    assert open_dataset(original, 'test').names() == ['test-kv2_align_kv2_2014-12-18']
    io.savemat(str(path), dict(lists, more=np.zeros(8 << 20, np.uint8)), do_compression=True)
    assert path.stat().st_size < 1 << 16
    monkeypatch.setattr(sun_rgbd, '_MAX_MATLAB_BYTES', 1 << 20)
    with bounded(cpu=10, memory=4 << 20), pytest.raises(InputError, match='unpacked, it has over 1 MiB'):
        open_dataset(original, 'test')


@pytest.mark.parametrize('stored', [
    {'shape': (16384, 16384), 'dtype': 'f8'}, {'shape': (38, 6), 'dtype': 'S1000000'},
    {'shape': (38, 6), 'dtype': 'u1', 'chunks': (1 << 14, 1 << 14), 'maxshape': (None, None)}])
def test_labels_that_claim_more_than_any_image(stored: dict, original: Path) -> None:
    """HDF5 holds what was never written: a few bytes of a file are gigabytes in memory."""
    h5py = pytest.importorskip('h5py')
    with h5py.File(original / 'SUNRGBDtoolbox/Metadata/SUNRGBD2Dseg.mat', 'a') as file:
        file['SUNRGBD2Dseg/seglabel'][1, 0] = file.create_dataset('#refs#/claims', **stored).ref
    dataset = open_dataset(original, 'test')
    with bounded(cpu=10, memory=64 << 20), pytest.raises(InputError, match='no labels of test-kv2'):
        dataset[0]


def test_wrong_trees(tmp_path: Path) -> None:
    """A missing label, a value above 37 and an unknown split are named."""
    trees.sun_rgbd(tmp_path, 'folders')
    path = tmp_path / 'label37/test/img37labels-000002.png'
    trees.write(path, np.full((6, 38), 38, np.uint8))
    with pytest.raises(InputError, match='img37labels-000002.png: value 38'):
        open_dataset(tmp_path, 'test')[1]
    path.unlink()
    with pytest.raises(InputError, match='img37labels-000002.png is missing'):
        open_dataset(tmp_path, 'test')
    with pytest.raises(InputError, match="split 'val' does not exist"):
        open_dataset(tmp_path, 'val')
