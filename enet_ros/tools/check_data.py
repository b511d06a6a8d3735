"""check_data: look at a data set before hours go into training on it."""

import argparse
from pathlib import Path
from typing import List, Optional

from .. import cli
from ..classes import ClassTable
from ..datasets import open_dataset
from ..files import write_bytes
from ..images import encode_png
from ..json_files import write_json


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Count frames, sizes, class shares and faults of a data set, and draw a page of its labels."""
    arguments = _parser().parse_args(argv)
    from ..training import data_check
    table = ClassTable.load(arguments.classes) if arguments.classes else None
    dataset = open_dataset(arguments.folder, arguments.split, arguments.layout, table)
    found = data_check.survey(dataset, lambda frames: cli.progress(frames, 'checking', len(dataset)))
    result = found.to_json(dataset.classes)
    print(f"{found.frames} frames of {', '.join(sorted(found.sizes)) or 'no readable size'}, "
          f'{found.unannotated:.1%} of the pixels without a class')
    for name, share in result['class_share'].items():
        print(f"  {name:<20} {share:8.3%}  in {result['frames_with_class'][name]} frames")
    for line in result['warnings']:
        print(f'warning: {line}')
    for line in found.faults[:arguments.faults]:
        print(f'fault: {line}')
    if len(found.faults) > arguments.faults:
        print(f'... and {len(found.faults) - arguments.faults} more faults (--faults N shows more)')
    picture = data_check.page(found, dataset.classes)[..., ::-1].copy()
    write_bytes(arguments.output, encode_png(picture).tobytes(), 'the page was')
    print(f'labels over {len(found.shown)} frames: {arguments.output}')
    if 'json' in arguments:
        write_json(arguments.json, dict(result, schema='enet_ros/data_check 1'))
    return cli.EXIT_INPUT if found.faults else 0


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser('check_data', main.__doc__, {'': ['tqdm']})
    add = parser.add_argument
    add('folder', type=Path, help="a data-set folder, or 'synthetic'")
    add('--split', help='the split to look at, instead of every frame')
    add('--layout', help='what the folder is, where that does not show in it')
    add('--classes', metavar='FILE', help='class table (YAML) of your own images and masks')
    add('--output', type=Path, default=Path('out/check_data.png'), help='the page to write')
    add('--faults', type=int, default=20, metavar='N', help='faults to print')
    return parser
