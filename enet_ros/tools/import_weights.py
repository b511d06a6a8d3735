"""import_weights: checkpoints of other ENet programs become weights of this package."""

from pathlib import Path
from typing import List, Optional

from .. import cli, weights
from ..classes import ClassTable
from ..json_files import write_json


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Convert a checkpoint of PyTorch-ENet, or the authors' own, into .npz; nothing in it is executed."""
    parser = cli.parser('import_weights', main.__doc__, {'': ['torch']})
    parser.add_argument('checkpoint', type=Path,
                        help="PyTorch-ENet's file 'ENet', or the authors' 'model-cityscapes.net'")
    parser.add_argument('output', type=Path, help='the .npz to write')
    parser.add_argument('--classes', metavar='FILE',
                        help="class table in the file's own order, where it is neither CamVid nor Cityscapes")
    arguments = parser.parse_args(argv)
    from ..training import enet_cityscapes, pytorch_enet, torch7, torch_file
    table = ClassTable.load(arguments.classes) if arguments.classes else None
    origin = str(arguments.checkpoint)
    if torch7.recognise(arguments.checkpoint):
        checkpoint = enet_cityscapes.convert(torch7.load(arguments.checkpoint), origin)
    else:
        checkpoint = pytorch_enet.convert(torch_file.load(arguments.checkpoint), origin, table)
    _check_shapes(checkpoint)
    weights.save(arguments.output, checkpoint)
    parameters = sum(array.size for name, array in checkpoint.arrays.items() if 'running_' not in name)
    print(f'{arguments.output}: ENet, {len(checkpoint.classes)} classes of {checkpoint.classes.name}, '
          f'{parameters} parameters')
    if checkpoint.licence:
        print(f'licence: {checkpoint.licence}')
    if 'json' in arguments:
        write_json(arguments.json, {
            'schema': 'enet_ros/import_weights 1',
            'weights': str(arguments.output), 'classes': checkpoint.classes.name, 'parameters': parameters,
            'sha256': weights.load(arguments.output).sha256})
    return 0


def _check_shapes(checkpoint: weights.Checkpoint) -> None:
    """Raise WeightsError where an array has another shape than the network's."""
    from .. import networks
    networks.from_checkpoint(checkpoint)
