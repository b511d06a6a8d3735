"""Losses over logits (N, C, H, W) and labels (N, H, W) int64 with IGNORE (255) where nothing is known."""

import math
from typing import Optional

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..classes import IGNORE
from .recipe import Loss

# SegNet's published weights for CamVid's eleven classes (SegNet-Tutorial, camvid prototxts).
SEGNET_CAMVID = (.2595, .1826, 4.564, .1417, .9051, .3826, 9.6446, 1.8418, .6823, 6.2478, 7.3614)


def class_weights(options: Loss, pixels: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return one weight per class, (C,) float32, from the training set's pixel counts.

    `pixels` are the pixels of each class, `present` the labelled pixels of the frames that hold the
    class. 'log' is the paper's 1 / ln(c + p) (section 5.2); 'median' is median frequency balancing
    (Eigen and Fergus), of which 'segnet' are the published values for CamVid's eleven classes (for
    others it is the same as 'median'). Classes that never occur get 0.
    """
    count = len(pixels)
    seen = pixels > 0
    if options.weights == 'log':
        weight = 1 / np.log(options.weight_c + pixels / pixels.sum())
    elif options.weights == 'segnet' and count == len(SEGNET_CAMVID):
        weight = np.array(SEGNET_CAMVID)
    elif options.weights in ('median', 'segnet'):
        frequency = pixels / np.maximum(present, 1)
        weight = np.median(frequency[seen]) / np.maximum(frequency, 1e-12)
    else:
        weight = np.ones(count)
    return np.where(seen, weight, 0).astype(np.float32)


def cross_entropy(logits: Tensor, labels: Tensor, weight: Tensor, smoothing: float = 0.0,
                  hardest: float = 1.0) -> Tensor:
    """Weighted mean cross entropy; with `hardest` below 1 over that share of valid pixels alone.

    The hardest pixels (OHEM) are those of the largest unweighted loss in the whole batch.
    """
    if hardest >= 1:
        return F.cross_entropy(logits, labels, weight, ignore_index=IGNORE, label_smoothing=smoothing)
    valid = labels != IGNORE
    safe = torch.where(valid, labels, torch.zeros_like(labels))
    each = F.cross_entropy(logits, labels, weight, ignore_index=IGNORE, reduction='none',
                           label_smoothing=smoothing).flatten()
    pixel_weight = (weight[safe] * valid).flatten()
    with torch.no_grad():
        plain = torch.where(valid.flatten(), each / pixel_weight.clamp_min(1e-6), each.new_tensor(-1.0))
        kept = max(1, int(math.ceil(hardest * plain.numel())))
        chosen = torch.topk(plain, kept, sorted=False).indices
    return each[chosen].sum() / pixel_weight[chosen].sum().clamp_min(1e-6)


def soft_jaccard(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - mean over the classes in this batch of sum(p y) / (sum p + sum y - sum p y).

    The soft form of what the mean IoU counts, taken over the batch, so that a rare class weighs as
    much as the road.
    """
    count = logits.shape[1]
    valid = (labels != IGNORE).unsqueeze(1)
    probability = logits.softmax(1) * valid
    truth = F.one_hot(torch.where(labels == IGNORE, torch.zeros_like(labels), labels), count)
    truth = truth.permute(0, 3, 1, 2).to(probability.dtype) * valid
    both = (probability * truth).sum((0, 2, 3))
    area = truth.sum((0, 2, 3))
    either = probability.sum((0, 2, 3)) + area - both
    there = (area > 0).to(both.dtype)
    return 1 - (there * both / either.clamp_min(1e-6)).sum() / there.sum().clamp_min(1)


def distillation(logits: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence per labelled pixel from the teacher's softened answer.

    Scaled by the squared temperature (Hinton et al., 2015, section 2).
    """
    valid = labels != IGNORE
    each = F.kl_div((logits / temperature).log_softmax(1), (teacher / temperature).log_softmax(1),
                    reduction='none', log_target=True).sum(1)
    return temperature ** 2 * (each * valid).sum() / valid.sum().clamp_min(1)


def encoder_labels(labels: Tensor) -> Tensor:
    """Take labels at 1/8 of their size, from the middle of each 8x8 cell."""
    return labels[:, 4::8, 4::8]


def total(options: Loss, logits: Tensor, labels: Tensor, weight: Tensor,
          auxiliary: Optional[Tensor] = None, teacher: Optional[Tensor] = None) -> Tensor:
    """Return the recipe's loss: cross entropy and whatever the recipe adds."""
    loss = cross_entropy(logits, labels, weight, options.smoothing, options.ohem)
    if options.jaccard:
        loss = loss + options.jaccard * soft_jaccard(logits, labels)
    if auxiliary is not None:
        loss = loss + options.auxiliary * cross_entropy(auxiliary, encoder_labels(labels), weight)
    if teacher is not None:
        loss = loss + options.distillation * distillation(logits, teacher, labels, options.temperature)
    return loss
