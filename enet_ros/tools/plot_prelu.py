"""plot_prelu: the paper's Figure 3 from any weights."""

from pathlib import Path
from typing import List, Optional

from .. import cli, weights
from ..json_files import write_json
from ..training import slopes


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Draw the PReLU slopes of trained weights against depth: mean, smallest and largest per layer."""
    parser = cli.parser('plot_prelu', main.__doc__, {'': ['matplotlib']})
    parser.add_argument('--weights', default='camvid', help='a shipped name or a path to .npz')
    parser.add_argument('--output', type=Path, default=Path('out/prelu.png'), help='the image to write')
    arguments = parser.parse_args(argv)
    checkpoint = weights.load(arguments.weights)
    layers = slopes.slopes(checkpoint)
    slopes.draw(layers, arguments.output, f"PReLU slopes of '{Path(checkpoint.origin).name}' "
                                          f"({checkpoint.network}, variant {checkpoint.variant})")
    below = sum(layer.mean < 0 for layer in layers)
    print(f'{arguments.output}: {len(layers)} PReLU layers, {below} with a mean slope below zero')
    if 'json' in arguments:
        write_json(arguments.json, {
            'schema': 'enet_ros/plot_prelu 1',
            'weights': checkpoint.origin, 'layers': [layer._asdict() for layer in layers]})
    return 0
