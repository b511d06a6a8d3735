"""Which topics of a bag are the camera and its ground truth, and in which classes: one rule for all."""

import colorsys
from typing import List, Optional

from ..classes import IGNORE, ClassTable
from ..errors import InputError
from ..json_files import parse_json
from ..resources import root
from .messages import LABEL_INFO, MessageError, class_names
from .reading import Bag

TRUTH_TOPIC = 'ground_truth'
INSTANCES = 'instances'
# Image topics with these in their names are no camera's.
OWN_TOPICS = ('ground_truth', 'labels', 'overlay', 'confidence', INSTANCES)


def image_topic(bag: Bag) -> str:
    """Return the one camera topic of a bag; InputError lists them where there is not just one."""
    names = [name for name in bag.image_topics() if not any(own in name for own in OWN_TOPICS)]
    return _only(bag, names, 'name the camera topic (--image, image_topic)')


def truth_topic(bag: Bag) -> str:
    """Return the ground-truth topic of a bag; InputError where there is not just one."""
    return _only(bag, truth_topics(bag), 'name the ground truth, a topic (--truth, truth_topic) or a folder '
                           '(--truth-folder)')


def truth_topics(bag: Bag) -> List[str]:
    """Return the image topics that are ground truth by their names."""
    return [name for name in bag.image_topics() if TRUTH_TOPIC in name and INSTANCES not in name]


def instances_topic(bag: Bag) -> Optional[str]:
    """Return the one topic that holds instances by its name, None where there is not just one."""
    names = [name for name in bag.image_topics() if INSTANCES in name]
    return names[0] if len(names) == 1 else None


def _only(bag: Bag, names: List[str], advice: str) -> str:
    raw = [name for name in names if not name.endswith('/compressed')] or names
    if len(raw) != 1:
        raise InputError('{}: {}; topics with images: {}'.format(
            bag.path, advice, ', '.join(bag.image_topics()) or 'none'))
    return raw[0]


def truth_classes(bag: Bag, topic: str, name: Optional[str] = None) -> ClassTable:
    """Return the coding of a truth topic: the table `name`, else the bag's own.

    InputError where neither does: values of an unknown coding would be scored, or shown, as something else.
    """
    table = ClassTable.load(name) if name else recorded_classes(bag, topic)
    if table is None:
        raise InputError(f'{bag.path}: the coding of its ground truth is unknown; name a class table '
                         '(--truth-classes camvid, truth_classes:=camvid)')
    return table


def recorded_classes(bag: Bag, topic: str) -> Optional[ClassTable]:
    """Return the coding of a topic of labels, None where it is unknown.

    It is in the bag's custom data or, where `ros2 bag record` lost those, in `label_info` beside the topic.
    InputError where either is damaged.
    """
    text = bag.custom_data.get('enet_ros.classes')
    if text is None:
        base = topic[:-len('/compressed')] if topic.endswith('/compressed') else topic
        return _announced(bag, base.rsplit('/', 1)[0] + '/label_info')
    origin = f'{bag.path}: its class table'
    return ClassTable.from_dict(parse_json(text, origin), origin)


def _announced(bag: Bag, topic: str) -> Optional[ClassTable]:
    if topic not in bag.topics or bag.topics[topic].type != LABEL_INFO:
        return None
    message = next(iter(bag.messages([topic])), None)
    if message is None:
        return None
    try:
        names = class_names(message.data)
    except MessageError as error:
        raise InputError(f'{bag.path}: {topic}: {error}') from None
    ignored = names.pop(IGNORE, 'unlabelled')
    if sorted(names) != list(range(len(names))):
        raise InputError(f'{bag.path}: {topic}: class ids are not 0, 1, 2 and so on')
    listed = tuple(names[index] for index in range(len(names)))
    for path in sorted((root('config') / 'classes').glob('*.yaml')):
        table = ClassTable.load(path)
        if table.names == listed:
            return table
    colours = [[int(255 * part) for part in colorsys.hsv_to_rgb(index / len(listed), 1.0, 1.0)]
               for index in range(len(listed))]
    return ClassTable.from_dict({
        'name': 'label_info', 'ignore': {'name': ignored},
        'classes': [{'name': name, 'colour': colour} for name, colour in zip(listed, colours)]},
        f'{bag.path}: {topic}')
