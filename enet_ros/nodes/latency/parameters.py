"""The parameters of latency_node: names, defaults, ranges."""

from typing import Dict

from ..common.parameters import Parameter

PARAMETERS: Dict[str, Parameter] = {
    'segmentation': Parameter('segmentation_node', 'the node whose frames are recorded'),
    'cameras': Parameter([''], "that node's cameras, where it has several"),
    'output': Parameter('latency', 'folder of latency.csv, .json, .png and .hlog; older ones are kept, '
                                   'numbered'),
    'observe_image': Parameter(False, 'also receive the camera images, to tell transport from the rest; it '
                                      'costs what receiving an image costs', live=True),
    'camera_rate': Parameter(0.0, 'schedule of the cameras, Hz; 0: found in the stamps', (0.0, 1000.0)),
    'longest_gap': Parameter(10.0, 'a longer gap between stamps, s, is a pause of the camera and no loss',
                             (0.1, 3600.0)),
    'window': Parameter(30.0, 'seconds that /diagnostics looks back', (1.0, 600.0)),
    'plot': Parameter(True, 'draw latency.png at the end'),
    'warn_drop_share': Parameter(0.5, 'share of dropped frames from which on to warn', (0.0, 1.0), live=True),
    'warn_delay': Parameter(0.5, 'median delay in seconds from which on to warn', (0.0, 60.0), live=True),
    'warn_silence': Parameter(2.0, 'seconds without a frame from which on to warn', (0.1, 3600.0), live=True),
}
