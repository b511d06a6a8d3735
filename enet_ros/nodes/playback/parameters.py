"""The parameters of playback_node: names, defaults, ranges, and the checked values."""

from typing import Any, Dict

from rclpy.node import Node

from ...errors import InputError
from ..common.parameters import Parameter, declare

PARAMETERS: Dict[str, Parameter] = {
    'source': Parameter('', 'a rosbag2, a data-set folder, a video file, or: synthetic'),
    'split': Parameter('', "split of a data set, as 'val'"),
    'rate': Parameter(0.0, "images a second; 0: the source's own", (0.0, 1000.0)),
    'loop': Parameter(False, 'start again at the end'),
    'clock': Parameter(False, 'publish /clock; stamps are then those of the source'),
    'pace': Parameter('realtime', 'realtime, or step: the next image goes out once labels with the last '
                                  'stamp came', choices=('realtime', 'step')),
    'step_timeout': Parameter(10.0, 'seconds that step waits for labels', (0.001, 3600.0)),
    'stamp': Parameter('auto', 'now, source, or auto: source under clock or sim time, else now',
                       choices=('auto', 'now', 'source')),
    'best_effort': Parameter(False, 'publish images best effort, as many camera drivers do'),
    'max_frames': Parameter(0, 'end after so many images; 0: at the end of the source', (0, 2 ** 31 - 1)),
    'width': Parameter(0, "width of the images in pixels; 0: the source's", (0, 16384)),
    'height': Parameter(0, "height of the images in pixels; 0: the source's", (0, 16384)),
    'frame_id': Parameter('', "frame_id of the images; '': the bag's, or camera"),
    'image_transport': Parameter('raw', 'raw on image, or compressed on image/compressed',
                                 choices=('raw', 'compressed')),
    'image_topic': Parameter('', "topic to play from a bag; '': its one camera"),
    'truth_topic': Parameter('', "topic of annotations in a bag; '': the one named ground_truth, if any"),
    'truth_classes': Parameter('', "class table of a bag's annotations, where the bag does not tell"),
    'labels_topic': Parameter('segmentation_node/labels', 'where step waits for labels'),
    'wait_for_subscribers': Parameter(1, 'listeners that image must have before the first one is sent',
                                      (0, 1000)),
    'wait_for_truth_subscribers': Parameter(0, 'the same for ground_truth', (0, 1000)),
    'wait_for_nodes': Parameter([''], 'nodes that must listen to image or ground_truth before the first '
                                      'image is sent: a recorder alone starts nothing'),
    'seed': Parameter(0, 'which synthetic street', (0, 2 ** 31 - 1)),
}


def read(node: Node) -> Dict[str, Any]:
    """Declare and check every parameter and decide `stamp`; InputError names the one that is wrong."""
    values = declare(node, PARAMETERS)
    if not values['source']:
        raise InputError("source is empty; give a bag, a folder, a video file, or 'synthetic'")
    if bool(values['width']) != bool(values['height']):
        raise InputError('width and height go together: set both, or neither')
    if values['stamp'] == 'auto':
        values['stamp'] = 'source' if values['clock'] else 'now'
    if values['clock'] and values['stamp'] == 'now':
        raise InputError("stamp:=now contradicts clock:=true: the clock tells the source's time")
    return values
