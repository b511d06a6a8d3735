"""Checkpoints of PyTorch-ENet (davidtvs) as weights of this package's 'pytorch-enet' variant."""

from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from .. import licences, networks
from ..classes import ClassTable
from ..errors import InputError
from ..weights import FORMAT, NORMALISATION, Checkpoint

# That project's class of index i, by our name; None is its void class, whose channel is dropped.
CLASS_ORDERS: Dict[str, Tuple[Optional[str], ...]] = {
    'camvid': ('Sky', 'Building', 'Pole', 'Road', 'Pavement', 'Tree', 'SignSymbol', 'Fence', 'Car',
               'Pedestrian', 'Bicyclist', None),
    'cityscapes': (None, 'road', 'sidewalk', 'building', 'wall', 'fence', 'pole', 'traffic light',
                   'traffic sign', 'vegetation', 'terrain', 'sky', 'person', 'rider', 'car', 'truck', 'bus',
                   'train', 'motorcycle', 'bicycle'),
}
_LICENCES = {'camvid': licences.CAMVID, 'cityscapes': licences.CITYSCAPES}      # of the data
INPUT_SIZES = {'camvid': [360, 480], 'cityscapes': [512, 1024]}
_KINDS = ('regular', 'dilated', 'asymmetric', 'dilated')      # of sections 2 and 3, twice
# Our blocks and theirs, then the layers inside each kind of block.
_BLOCKS = {
    'encoder.initial': 'initial_block', 'encoder.down1': 'downsample1_0', 'encoder.down2': 'downsample2_0',
    'decoder.up4': 'upsample4_0', 'decoder.up5': 'upsample5_0', 'decoder.section5.0': 'regular5_1',
    **{f'encoder.section1.{place}': f'regular1_{place + 1}' for place in range(4)},
    **{f'encoder.section2.{place}': f'{_KINDS[place % 4]}2_{place + 1}' for place in range(8)},
    **{f'encoder.section3.{place}': f'{_KINDS[place % 4]}3_{place}' for place in range(8)},
    **{f'decoder.section4.{place}': f'regular4_{place + 1}' for place in range(2)}}
_BRANCH = {f'branch.{place}': f'ext_conv{place // 3 + 1}.{place % 3}' for place in range(9)}
_LAYERS = {
    'initial': {'conv': 'main_branch', 'norm': 'batch_norm', 'activation': 'out_activation'},
    'upsample': {'skip.0': 'main_conv1.0', 'skip.1': 'main_conv1.1', 'branch.0': 'ext_conv1.0',
                 'branch.1': 'ext_conv1.1', 'branch.3': 'ext_tconv1', 'branch.4': 'ext_tconv1_bnorm',
                 'branch.6': 'ext_conv2.0', 'branch.7': 'ext_conv2.1'},
    # Between the two asymmetric convolutions stand a norm and an activation more.
    'asymmetric': {**_BRANCH, **{f'branch.{place + 3}': f'ext_conv2.{place}' for place in range(3, 6)},
                   **{f'branch.{place + 9}': f'ext_conv3.{place}' for place in range(3)},
                   'activation': 'out_activation'},
    'other': {**_BRANCH, 'activation': 'out_activation'}}


def convert(saved: Any, origin: str, classes: Optional[ClassTable] = None) -> Checkpoint:
    """Turn a loaded file (a state dict, or a dict that holds one) into a checkpoint.

    Whether it is CamVid (12 channels) or Cityscapes (20) shows in its last layer; other numbers need
    `classes` in the file's own order, void left out of neither. Input is x / 255 there as here.
    InputError names `origin` and the array that is missing, unknown or of another shape.
    """
    state, score = _state(saved, origin)
    names = {_theirs(name): name for name in networks.build('enet', 1, 'pytorch-enet').state_dict()
             if not name.endswith('num_batches_tracked')}
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


def _theirs(name: str) -> str:
    """Return PyTorch-ENet's name of one of our arrays."""
    layer, _, key = name.rpartition('.')
    if layer == 'decoder.last':
        return f'transposed_conv.{key}'
    ours = next(block for block in _BLOCKS if layer.startswith(block + '.'))
    theirs = _BLOCKS[ours]
    layers = next((found for kind, found in _LAYERS.items() if theirs.startswith(kind)), _LAYERS['other'])
    return f'{theirs}.{layers[layer[len(ours) + 1:]]}.{key}'
