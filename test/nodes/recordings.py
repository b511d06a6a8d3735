"""Bags of a synthetic street, as a recorder would leave them."""

from pathlib import Path

from enet_ros.bags.writing import BagWriter, describe
from enet_ros.datasets import SyntheticStreet


def write_bag(path: Path, street: SyntheticStreet, compressed: bool, late_truth: int = 0) -> Path:
    """Write 10 Hz images with truth on every third, recorded `late_truth` frames late."""
    due = []
    with BagWriter(path, custom_data=describe('street', street.classes)) as writer:
        for index in range(len(street)):
            stamp, sample = 5 * 10 ** 9 + index * 10 ** 8, street[index]
            if compressed:
                writer.compressed_image('/front/image/compressed', stamp, 'front', sample.image)
            else:
                writer.image('/front/image', stamp, 'front', sample.image)
            writer.camera_info('/front/camera_info', stamp, 'front', street.camera_matrix, 48, 64)
            if index % 3 == 0:
                due.append((index + late_truth, stamp, sample.label))
            while due and due[0][0] <= index:
                _, truth_stamp, label = due.pop(0)
                writer.labels('/front/ground_truth', truth_stamp, 'front', label)
    return path
