"""import_weights: PyTorch-ENet's checkpoints become weights of this package."""

from pathlib import Path
from typing import List, Optional

from .. import cli, weights
from ..classes import ClassTable
from ..json_files import write_json
from ..training import pytorch_enet, torch_file


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Convert a checkpoint of PyTorch-ENet (CamVid or Cityscapes) into .npz; nothing in it is executed."""
    parser = cli.parser('import_weights', main.__doc__, {'': ['torch']})
    parser.add_argument('checkpoint', type=Path, help="the file, called 'ENet' by that project")
    parser.add_argument('output', type=Path, help='the .npz to write')
    parser.add_argument('--classes', metavar='FILE',
                        help="class table in the file's own order, where it is neither CamVid nor Cityscapes")
    arguments = parser.parse_args(argv)
    table = ClassTable.load(arguments.classes) if arguments.classes else None
    checkpoint = pytorch_enet.convert(torch_file.load(arguments.checkpoint), str(arguments.checkpoint), table)
    _check_shapes(checkpoint)
    weights.save(arguments.output, checkpoint)
    parameters = sum(array.size for name, array in checkpoint.arrays.items() if 'running_' not in name)
    print(f'{arguments.output}: ENet, {len(checkpoint.classes)} classes of {checkpoint.classes.name}, '
          f'{parameters} parameters')
    if 'json' in arguments:
        write_json(arguments.json, {
            'weights': str(arguments.output), 'classes': checkpoint.classes.name, 'parameters': parameters,
            'sha256': weights.load(arguments.output).sha256})
    return 0


def _check_shapes(checkpoint: weights.Checkpoint) -> None:
    """Raise WeightsError where an array has another shape than the network's."""
    from .. import networks
    networks.from_checkpoint(checkpoint)
