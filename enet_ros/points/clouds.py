"""sensor_msgs/PointCloud2 data to arrays, without importing ROS."""

from typing import Any

import numpy as np

from ..errors import InputError

MAX_POINTS = 2 ** 23
_FLOATS = {7: 'f4', 8: 'f8'}     # PointField.FLOAT32, FLOAT64


def read_xyz(cloud: Any) -> np.ndarray:
    """Return the x, y, z of a PointCloud2 as a new (N, 3) float32; InputError where it contradicts itself."""
    fields = {field.name: field for field in cloud.fields}
    if not all(name in fields and fields[name].datatype in _FLOATS for name in 'xyz'):
        raise InputError('cloud: it has no fields x, y, z of floats; it has: ' + ', '.join(sorted(fields)))
    order = '>' if cloud.is_bigendian else '<'
    shape = cloud.height, cloud.width
    if not shape[0] * shape[1]:
        return np.zeros((0, 3), np.float32)
    if shape[0] * shape[1] > MAX_POINTS:
        raise InputError(f'cloud: {shape[0]}x{shape[1]} points are too many, {MAX_POINTS} are read')
    try:
        point = np.dtype({'names': list('xyz'), 'itemsize': cloud.point_step,
                          'offsets': [fields[name].offset for name in 'xyz'],
                          'formats': [order + _FLOATS[fields[name].datatype] for name in 'xyz']})
        if cloud.row_step < cloud.width * cloud.point_step:
            raise ValueError(f'rows of {cloud.row_step} bytes')
        points = np.ndarray(shape, point, np.frombuffer(cloud.data, np.uint8).data,
                            strides=(cloud.row_step, cloud.point_step))
    except (TypeError, ValueError) as error:
        raise InputError(f'cloud: {len(cloud.data)} bytes do not hold {shape[0]}x{shape[1]} points of '
                         f'{cloud.point_step} bytes ({error})')
    return np.stack([points[name].astype(np.float32).ravel() for name in 'xyz'], 1)
