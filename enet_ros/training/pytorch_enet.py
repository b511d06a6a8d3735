"""Checkpoints of PyTorch-ENet (davidtvs) as weights of this package's 'pytorch-enet' variant."""

from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np

from .. import licences
from ..classes import ClassTable
from ..errors import InputError
from ..weights import FORMAT, NORMALISATION, Checkpoint

# Where that project's class index i stands in our table; None is its void class, whose channel is dropped.
CLASS_ORDERS: Dict[str, Tuple[Optional[str], ...]] = {
    'camvid': ('Sky', 'Building', 'Pole', 'Road', 'Pavement', 'Tree', 'SignSymbol', 'Fence', 'Car',
               'Pedestrian', 'Bicyclist', None),
    'cityscapes': (None, 'road', 'sidewalk', 'building', 'wall', 'fence', 'pole', 'traffic light',
                   'traffic sign', 'vegetation', 'terrain', 'sky', 'person', 'rider', 'car', 'truck', 'bus',
                   'train', 'motorcycle', 'bicycle'),
}
_LICENCES = {'camvid': licences.CAMVID, 'cityscapes': licences.CITYSCAPES}      # of the data
INPUT_SIZES = {'camvid': [360, 480], 'cityscapes': [512, 1024]}
_BN = ('weight', 'bias', 'running_mean', 'running_var')
_SECTION2 = ('regular2_1', 'dilated2_2', 'asymmetric2_3', 'dilated2_4', 'regular2_5', 'dilated2_6',
             'asymmetric2_7', 'dilated2_8')
_SECTION3 = ('regular3_0', 'dilated3_1', 'asymmetric3_2', 'dilated3_3', 'regular3_4', 'dilated3_5',
             'asymmetric3_6', 'dilated3_7')

Pair = Tuple[str, str]


def convert(saved: Any, origin: str, classes: Optional[ClassTable] = None) -> Checkpoint:
    """Turn a loaded file (a state dict, or a dict that holds one) into a checkpoint.

    Whether it is CamVid (12 channels) or Cityscapes (20) shows in its last layer; other numbers need
    `classes` in the file's own order, void left out of neither. Input is x / 255 there as here.
    InputError names `origin` and the array that is missing, unknown or of another shape.
    """
    state, score = _state(saved, origin)
    names = dict(_names())
    unknown = sorted(name for name in state if name not in names and not name.endswith('num_batches_tracked'))
    missing = sorted(set(names) - set(state))
    if any(name.endswith('out_prelu.weight') for name in unknown):
        raise InputError(f'{origin}: saved by an early version of PyTorch-ENet, whose decoder is another')
    if unknown or missing:
        raise InputError('{}: no ENet of PyTorch-ENet: {} {}'.format(
            origin, *(('lacks', missing[0]) if missing else ('holds the unknown', unknown[0]))))
    arrays = {ours: np.asarray(state[theirs], np.float32) for theirs, ours in names.items()}
    last = arrays['decoder.last.weight']
    if last.ndim != 4:
        raise InputError(f'{origin}: transposed_conv.weight is {last.shape}')
    table, order = _order(last.shape[1], classes, origin)
    arrays['decoder.last.weight'] = last[:, order]
    scores = {} if score is None else {'as_stated_by_its_file': {'mean_iou': score}}
    return Checkpoint(arrays, {
        'format': FORMAT, 'network': 'enet', 'variant': 'pytorch-enet', 'classes': table.to_dict(),
        'num_classes': len(table), 'input_size': INPUT_SIZES.get(table.name, [360, 480]),
        'normalisation': NORMALISATION, 'training': {'imported_from': 'PyTorch-ENet'},
        'scores': scores, 'licence': _LICENCES.get(table.name, '')}, origin)


def _state(saved: Any, origin: str) -> Tuple[Dict[str, np.ndarray], Optional[float]]:
    """Return the state dict and the mean IoU that may stand beside it."""
    score = None
    if isinstance(saved, dict) and isinstance(saved.get('state_dict'), dict):
        miou = saved.get('miou')
        score = float(miou) if isinstance(miou, (int, float)) else None
        saved = saved['state_dict']
    if not isinstance(saved, dict) or not saved or not all(
            isinstance(name, str) and isinstance(array, np.ndarray) for name, array in saved.items()):
        raise InputError(f'{origin}: holds no state dict of a network')
    # Trained on several GPUs, every name begins with "module.".
    return {name[7:] if name.startswith('module.') else name: array for name, array in saved.items()}, score


def _order(channels: int, classes: Optional[ClassTable], origin: str) -> Tuple[ClassTable, List[int]]:
    """Return our table and, for each of its classes, the channel in the file."""
    if classes is not None:
        if len(classes) != channels:
            raise InputError(f"{origin}: gives {channels} classes, but table '{classes.name}' has "
                             f"{len(classes)}")
        return classes, list(range(channels))
    for name, order in CLASS_ORDERS.items():
        if len(order) == channels:
            table = ClassTable.load(name)
            return table, [order.index(wanted) for wanted in table.names]
    raise InputError('{}: gives {} classes; CamVid has {} there and Cityscapes {}: name a class table'.format(
        origin, channels, *(len(order) for order in CLASS_ORDERS.values())))


def _names() -> Iterator[Pair]:
    """Yield (their name, our name) of every array."""
    yield 'initial_block.main_branch.weight', 'encoder.initial.conv.weight'
    yield from _norm('initial_block.batch_norm', 'encoder.initial.norm')
    yield 'initial_block.out_activation.weight', 'encoder.initial.activation.weight'
    yield from _bottleneck('downsample1_0', 'encoder.down1', True)
    for place in range(4):
        yield from _bottleneck(f'regular1_{place + 1}', f'encoder.section1.{place}', True)
    yield from _bottleneck('downsample2_0', 'encoder.down2', True)
    for section, blocks in (('section2', _SECTION2), ('section3', _SECTION3)):
        for place, block in enumerate(blocks):
            yield from _bottleneck(block, f'encoder.{section}.{place}', True)
    yield from _upsampling('upsample4_0', 'decoder.up4')
    for place in range(2):
        yield from _bottleneck(f'regular4_{place + 1}', f'decoder.section4.{place}', False)
    yield from _upsampling('upsample5_0', 'decoder.up5')
    yield from _bottleneck('regular5_1', 'decoder.section5.0', False)
    yield 'transposed_conv.weight', 'decoder.last.weight'


def _bottleneck(theirs: str, ours: str, slopes: bool) -> Iterator[Pair]:
    """Regular, asymmetric and downsampling blocks: conv, norm and activation follow one another."""
    layers = ['ext_conv1.{}', 'ext_conv2.{}', 'ext_conv3.{}']
    starts = [(layers[0], 0), (layers[1], 0), (layers[2], 0)]
    if theirs.startswith('asymmetric'):
        starts.insert(2, (layers[1], 3))
    place = 0
    for layer, first in starts:
        source = f'{theirs}.{layer}'
        yield source.format(first) + '.weight', f'{ours}.branch.{place}.weight'
        yield from _norm(source.format(first + 1), f'{ours}.branch.{place + 1}')
        if slopes:
            yield source.format(first + 2) + '.weight', f'{ours}.branch.{place + 2}.weight'
        place += 3
    if slopes:
        yield theirs + '.out_activation.weight', ours + '.activation.weight'


def _upsampling(theirs: str, ours: str) -> Iterator[Pair]:
    yield theirs + '.main_conv1.0.weight', ours + '.skip.0.weight'
    yield from _norm(theirs + '.main_conv1.1', ours + '.skip.1')
    for source, norm, place in (('ext_conv1.0', 'ext_conv1.1', 0), ('ext_tconv1', 'ext_tconv1_bnorm', 3),
                                ('ext_conv2.0', 'ext_conv2.1', 6)):
        yield f'{theirs}.{source}.weight', f'{ours}.branch.{place}.weight'
        yield from _norm(f'{theirs}.{norm}', f'{ours}.branch.{place + 1}')


def _norm(theirs: str, ours: str) -> Iterator[Pair]:
    for name in _BN:
        yield f'{theirs}.{name}', f'{ours}.{name}'
