"""A teacher's answers for every training frame, computed once and kept as bytes at half size."""

from pathlib import Path
from typing import List, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import networks, weights
from ..classes import ClassTable
from ..cli import progress
from ..errors import InputError
from .augmentation import Frame
from .model import to_input
from .recipe import Loss

SELF = 'self'       # a teacher of this name is the network as the stage before left it


def check(options: Loss, classes: ClassTable) -> List[weights.Checkpoint]:
    """Read the teachers that are files of weights; InputError where one knows other classes."""
    checkpoints = [weights.load(name) for name in options.teacher if name != SELF and not is_array(name)]
    for checkpoint in checkpoints:
        if checkpoint.classes.names != classes.names:
            raise InputError(f'{checkpoint.origin}: the teacher knows other classes '
                             f'({checkpoint.classes.name}) than the data')
    if any(is_array(name) for name in options.teacher) and len(options.teacher) > 1:
        raise InputError('a file of probabilities is the only teacher: write the mean of several into it')
    return checkpoints


def is_array(name: str) -> bool:
    """Tell whether a teacher is a file of probabilities."""
    return name.endswith('.npy')


def prepare(path: Path, options: Loss, frames: Sequence[Frame], classes: ClassTable, student: nn.Module,
            device: torch.device) -> None:
    """Write (frames, H/2, W/2, C) uint8 into the .npy `path`: softened probabilities, of 255.

    They are the mean over the teachers, over `teacher_scales`, and over the frame and its mirror image,
    softened by the temperature. `student` is the teacher 'self'.
    """
    teachers = [networks.from_checkpoint(checkpoint).to(device) for checkpoint in check(options, classes)]
    teachers += [student.eval()] * options.teacher.count(SELF)
    height, width = frames[0].label.shape
    partial = path.with_suffix('.partial')
    array = np.lib.format.open_memmap(str(partial), 'w+', np.uint8,
                                      (len(frames), height // 2, width // 2, len(classes)))
    for number, frame in progress(enumerate(frames), 'teacher', len(frames)):
        image = to_input(torch.from_numpy(frame.image)[None].to(device))
        answer = _ensemble(teachers, image, options.teacher_scales) ** (1 / options.temperature)
        answer = answer / answer.sum(1, keepdim=True)
        array[number] = (255 * answer[0]).round().byte().permute(1, 2, 0).cpu().numpy()
    array.flush()
    partial.replace(path)


@torch.no_grad()
def _ensemble(teachers: Sequence[nn.Module], image: Tensor, scales: Sequence[float]) -> Tensor:
    """Return mean probabilities (1, C, H/2, W/2) of an image (1, 3, H, W)."""
    size = [side // 2 for side in image.shape[-2:]]
    answers = []
    for scale in scales:
        sides = [max(8, int(round(side * scale / 8)) * 8) for side in image.shape[-2:]]
        scaled = image if scale == 1 else F.interpolate(image, sides, mode='bilinear', antialias=scale < 1)
        for teacher in teachers:
            for view in (scaled, scaled.flip(3)):
                answer = teacher(view).float().softmax(1)
                answer = answer.flip(3) if view is not scaled else answer
                answers.append(F.interpolate(answer, size, mode='bilinear', antialias=True))
    return torch.stack(answers).mean(0)


def load(path: Path, options: Loss, frames: Sequence[Frame], classes: ClassTable) -> np.ndarray:
    """Open what `prepare` wrote into `path`, or the file that the recipe names, without reading it whole.

    Any program may have written the latter: frames in the order of the training data. InputError where
    its shape or kind is another.
    """
    source = Path(options.teacher[0]) if is_array(options.teacher[0]) else path
    try:
        array = np.load(str(source), mmap_mode='r', allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f'{source}: no array of probabilities: {error}') from None
    height, width = frames[0].label.shape
    wanted = (len(frames), height // 2, width // 2, len(classes))
    if array.dtype != np.uint8 or array.shape != wanted:
        raise InputError(f'{source}: holds {array.dtype} {array.shape}, not uint8 {wanted} '
                         '(frames, height / 2, width / 2, classes)')
    return array
