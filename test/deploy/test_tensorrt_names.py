"""Every TensorRT name the package uses exists in 8.2, 8.5, 8.6 and 10.3, or stands behind a question.

The table was written by hand from knowledge of these versions' Python API, not generated from an
installed TensorRT: a guard against slips, not a proof. `test_real_builder` runs what a new one has.
"""

import ast
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / 'enet_ros' / 'deploy'
FILES = sorted(DEPLOY.glob('tensorrt_*.py')) + [DEPLOY / 'converters.py']
VERSIONS = ('8.2', '8.5', '8.6', '10.3')

# In all of them.
ALWAYS = set("""
    Logger Logger.ERROR ILogger ILogger.ERROR ILogger.INTERNAL_ERROR ILogger.__init__ Builder Runtime Weights
    float16 float32 __version__ __version__.split TacticSource set_tactic_sources
    BuilderFlag.FP16 DeviceType.GPU TensorLocation.DEVICE
    ElementWiseOperation ElementWiseOperation.SUM ElementWiseOperation.SUB ElementWiseOperation.PROD
    ElementWiseOperation.MAX ElementWiseOperation.MIN ElementWiseOperation.DIV ElementWiseOperation.POW
    UnaryOperation.CEIL UnaryOperation.ABS
    ActivationType.RELU ActivationType.LEAKY_RELU
    create_builder_config create_network build_serialized_network set_flag
    add_constant add_elementwise add_activation add_unary add_slice add_shuffle add_concatenation
    add_deconvolution_nd add_convolution_nd add_pooling_nd PoolingType.MAX
    add_parametric_relu add_input
    num_layers get_input get_output
    stride_nd padding_nd pre_padding post_padding num_groups dilation_nd axis
    reshape_dims first_transpose second_transpose alpha dtype location
    deserialize_cuda_engine create_execution_context
""".split())

# Only in some, and what asks first: each version has one of each group.
SOMETIMES = [
    {'set_memory_pool_limit': ('8.5', '8.6', '10.3'), 'MemoryPoolType.WORKSPACE': ('8.5', '8.6', '10.3'),
     'max_workspace_size': ('8.2', '8.5', '8.6')},
    # Behind `takes_bytes`, and in the runner of floats.
    {'get_tensor_shape': ('8.5', '8.6', '10.3'), 'get_tensor_dtype': ('8.5', '8.6', '10.3'),
     'set_tensor_address': ('8.5', '8.6', '10.3'), 'execute_async_v3': ('8.5', '8.6', '10.3'),
     'get_binding_index': ('8.2', '8.5', '8.6'), 'get_binding_shape': ('8.2', '8.5', '8.6'),
     'execute_async_v2': ('8.2', '8.5', '8.6'), 'uint8': ('8.5', '8.6', '10.3')},
    {'add_cast': ('8.6', '10.3'), 'add_identity': ('8.2', '8.5', '8.6', '10.3'),
     'set_output_type': ('8.2', '8.5', '8.6', '10.3')},
    # By the version; before 8.5 torch2trt's side of it.
    {'NetworkDefinitionCreationFlag.STRONGLY_TYPED': ('10.3',),
     'NetworkDefinitionCreationFlag.EXPLICIT_BATCH': ('8.2', '8.5', '8.6', '10.3')},
]
KNOWN = ALWAYS.union(*SOMETIMES)

# Gone in 10 or never there: what one is tempted to use.
NEVER = {'add_pooling', 'add_convolution', 'add_deconvolution', 'add_padding', 'max_batch_size',
         'build_engine', 'build_cuda_engine', 'execute_async', 'num_bindings', 'DimsHW', 'STRICT_TYPES'}

# Objects of TensorRT, by the names our code gives them.
OBJECTS = {'network', 'layer', 'builder', 'config', 'tensor', 'recorded', 'engine', 'context', 'runtime'}
OURS = {'definition', 'array', 'operand', 'prelu', 'trt', 'pointwise',
        'name', 'shape', 'type', 'network', 'builder', 'config', 'precision', 'input_size', 'kind',
        'logits', 'labels', 'numel', 'data_ptr', 'add_inputs', 'mark_outputs', 'detach', 'method_str'}


def dotted(node):
    """Return 'a.b.c' of attributes on names, else ''."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return before + '.' + node.attr if before else node.attr
    return ''


def used():
    """Return {name: where} of all TensorRT names in our files."""
    found = {}
    for path in FILES:
        tree = ast.parse(path.read_text())
        inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute):
                continue
            name, where = dotted(node), f'{path.name}:{node.lineno}'
            if name.startswith('trt.') and id(node) not in inner:
                found[name[len('trt.'):]] = where
            elif name.startswith('_Op.'):
                found['ElementWiseOperation.' + node.attr] = where
            elif node.attr.startswith('add_') and node.attr not in ('add_inputs', 'add_argument'):
                found[node.attr] = where
            elif (name.rpartition('.')[0].split('.')[-1] in OBJECTS or isinstance(node.value, ast.Call)) \
                    and node.attr in KNOWN | NEVER:
                found[node.attr] = where
            elif name.rpartition('.')[0].split('.')[-1] in OBJECTS and node.attr not in OURS:
                found[node.attr] = where
    return found


def test_every_name_is_in_the_table():
    unknown = {name: where for name, where in used().items() if name not in KNOWN}
    assert not unknown


def test_the_scan_sees_what_is_used():
    assert {'add_slice', 'add_deconvolution_nd', 'ElementWiseOperation.MAX', 'execute_async_v2',
            'BuilderFlag.FP16', 'max_workspace_size', 'pre_padding', 'ILogger.INTERNAL_ERROR'} <= set(used())


def test_nothing_stands_in_the_table_for_nothing():
    assert sorted(KNOWN - set(used())) == []


@pytest.mark.parametrize('group', SOMETIMES)
@pytest.mark.parametrize('version', VERSIONS)
def test_each_version_is_served(group, version):
    assert any(version in versions for versions in group.values())


@pytest.mark.parametrize('guard, name', [
    ("hasattr(config, 'set_memory_pool_limit')", 'set_memory_pool_limit'),
    ("hasattr(network, 'add_cast')", 'add_cast')])
def test_what_is_not_everywhere_is_asked_for(guard, name):
    assert any(guard in path.read_text() for path in FILES), name
