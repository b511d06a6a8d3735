"""The HOME that the documents' commands find: data sets, a video, weights, all of the synthetic street."""

from pathlib import Path

from bag_samples import pictures
from bag_samples import write as write_bag
import cv2
from lua import authors_file
import numpy as np
import port
import torch

from enet_ros import networks, weights
from enet_ros.classes import ClassTable
from enet_ros.datasets import SyntheticStreet

#: The street's classes (CamVid's) as Cityscapes' labelIds, in order: sky, building, pole, road, ...
LABEL_IDS = np.array([23, 11, 17, 7, 8, 21, 20, 13, 26, 24, 25] + [0] * 245, np.uint8)
CAMVID = {'train': '0006R0_f{:05d}', 'val': '0016E5_{:05d}', 'test': 'Seq05VD_f{:05d}'}
CITIES = {'train': 'aachen', 'val': 'lindau', 'test': 'mainz'}


def fill(home: Path) -> None:
    """Write data sets, ~/results, ~/yard without its classes, bags, a video and weights nobody trained."""
    for index, split in enumerate(CAMVID):
        camvid(home / 'CamVid', split, SyntheticStreet((96, 128), seed=index, frames=4))
        cityscapes(home, split, SyntheticStreet((64, 128), seed=index, frames=2))
    video = cv2.VideoWriter(str(home / 'my_drive.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 30, (128, 96))
    for sample in SyntheticStreet((96, 128), seed=9, frames=10):
        video.write(sample.image[..., ::-1])
        write(home / 'photos' / f'{sample.name}.jpg', sample.image[..., ::-1])
    video.release()
    for index, name in enumerate(('monday', 'tuesday')):
        write_bag(home / name, pictures(6, seed=index))
    yard(home / 'yard', SyntheticStreet((96, 128), seed=5, frames=6))
    saved = home / 'PyTorch-ENet/save/ENet_CamVid'
    saved.mkdir(parents=True)
    torch.save({'state_dict': port.trained(12).state_dict()}, str(saved / 'ENet'))
    authors = networks.build('enet', 20, 'authors-prelu').eval()
    (home / 'model-cityscapes.net').write_bytes(authors_file(authors))
    torch.manual_seed(0)
    classes = ClassTable.load('cityscapes')
    weights.save(home / 'mine.npz', networks.to_checkpoint(networks.ENet(len(classes)), {
        'format': weights.FORMAT, 'network': 'enet', 'variant': 'authors', 'input_size': [64, 128],
        'classes': classes.to_dict(), 'normalisation': weights.NORMALISATION, 'training': {}, 'scores': {}}))


def camvid(root: Path, split: str, street: SyntheticStreet) -> None:
    """Write a split in SegNet's layout."""
    lines = []
    for index, sample in enumerate(street):
        name = CAMVID[split].format(7961 + 2 * index) + '.png'
        write(root / split / name, sample.image[..., ::-1])
        write(root / (split + 'annot') / name, np.where(sample.label == 255, 11, sample.label))
        lines.append(f'/SegNet/CamVid/{split}/{name} /SegNet/CamVid/{split}annot/{name}\n')
    (root / (split + '.txt')).write_text(''.join(lines))


def cityscapes(home: Path, split: str, street: SyntheticStreet) -> None:
    """Write a split of Cityscapes, its test truth empty as published, and results for val."""
    city = CITIES[split]
    for index, sample in enumerate(street):
        name = f'{city}_000000_{index:06d}'
        ids = LABEL_IDS[sample.label]
        truth = home / 'cityscapes/gtFine' / split / city
        images = home / 'cityscapes/leftImg8bit' / split / city
        write(images / (name + '_leftImg8bit.png'), sample.image[..., ::-1])
        write(truth / (name + '_gtFine_labelIds.png'), np.zeros_like(ids) if split == 'test' else ids)
        write(truth / (name + '_gtFine_instanceIds.png'), ids.astype(np.uint16))
        if split == 'val':
            write(home / 'results' / (name + '.png'), ids)


def yard(root: Path, street: SyntheticStreet) -> None:
    """Write images, masks of three classes (road, cars, the rest) and the lists of names."""
    for index, sample in enumerate(street):
        write(root / 'images' / f'{index}.png', sample.image[..., ::-1])
        write(root / 'masks' / f'{index}.png', np.select([sample.label == 3, sample.label == 8], [0, 1], 2))
    (root / 'train.txt').write_text('0\n1\n2\n3\n')
    (root / 'val.txt').write_text('4\n5\n')


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image.astype(np.uint16 if image.dtype == np.uint16 else np.uint8))
