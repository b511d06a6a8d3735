"""Write a network as ONNX, OpenVINO or a TensorRT plan, its classes, colours, sizes and licence with it."""

from pathlib import Path
from typing import Dict, List, Optional

from .. import cli, weights
from ..deploy import export
from ..errors import InputError
from ..files import write_bytes
from ..json_files import write_json
from ..libraries import need

SUFFIXES = {'onnx': '.onnx', 'openvino': '.xml', 'plan': '.plan'}
_LIBRARIES: Dict[str, List[str]] = {'onnx': [], 'openvino': ['openvino'], 'plan': ['torch']}


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Run the tool."""
    parser = cli.parser('export', __doc__)
    add = parser.add_argument
    add('--weights', default='camvid', help='a shipped name or an .npz')
    add('--format', choices=sorted(SUFFIXES), default='onnx', help='a plan fits this device alone')
    add('--precision', choices=('fp32', 'fp16'), default='fp32', help='of the weights; of all, in a plan')
    add('--head', choices=export.HEADS, default='labels', help='before TensorRT 8.5 plans give logits only')
    add('--size', type=cli.size, metavar='HxW', help="the network's input; None: as trained")
    add('--output', type=Path, metavar='FILE', help='None: WEIGHTS with the suffix of the format, in out/')
    options = parser.parse_args(argv)
    need('export', _LIBRARIES[options.format])
    checkpoint = weights.load(options.weights)
    input_size = options.size or checkpoint.input_size
    suffix = SUFFIXES[options.format]
    path = options.output or Path('out') / (Path(options.weights).stem + suffix)
    if path.suffix != suffix:
        raise InputError(f'--output {path}: a file of format {options.format} ends in {suffix}')
    head, told = options.head, {}
    if options.format == 'onnx':
        export.write_onnx(path, checkpoint, input_size, head, options.precision)
    elif options.format == 'openvino':
        export.write_openvino(path, checkpoint, input_size, head, options.precision)
    else:
        from ..deploy import tensorrt_engine
        reason = tensorrt_engine.available()
        if reason is not None:
            raise InputError(f'no plan can be built here: {reason}')
        from ..deploy import tensorrt_build
        from ..deploy.graph import rewrite
        from ..networks import from_checkpoint
        if not tensorrt_engine.takes_bytes():
            head, told = 'logits', {'input': f'"RGB, (1, 3, H, W), {options.precision}, values 0 to 1"'}
        graph = rewrite(from_checkpoint(checkpoint), head)
        built = tensorrt_build.build(graph, input_size, options.precision, 256 << 20)
        write_bytes(path, built.plan, 'the plan was')
        write_json(path.with_suffix('.json'),
                   dict(export.metadata(checkpoint, input_size, head, options.precision), **told))
    facts = {'file': path, 'bytes': path.stat().st_size, 'format': options.format, 'head': head,
             'precision': options.precision, 'input_size': input_size, 'weights': options.weights}
    print(f'{path}: {checkpoint.network} at {input_size[0]}x{input_size[1]}, {head}, {options.precision}, '
          f'{path.stat().st_size / 1e6:.2f} MB')
    if 'json' in options:
        write_json(options.json, facts)
    return 0
