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


def jaccard_sums(logits: Tensor, labels: Tensor) -> Tensor:
    """Return (3, C): sum p y, sum p + sum y - sum p y, and sum y of each class over the valid pixels."""
    count = logits.shape[1]
    valid = (labels != IGNORE).unsqueeze(1)
    probability = logits.softmax(1) * valid
    truth = F.one_hot(torch.where(labels == IGNORE, torch.zeros_like(labels), labels), count)
    truth = truth.permute(0, 3, 1, 2).to(probability.dtype) * valid
    both = (probability * truth).sum((0, 2, 3))
    area = truth.sum((0, 2, 3))
    return torch.stack([both, probability.sum((0, 2, 3)) + area - both, area])


def soft_jaccard(sums: Tensor) -> Tensor:
    """1 - mean over the classes in the batch of sum(p y) / (sum p + sum y - sum p y).

    The soft form of what the mean IoU counts, taken over the batch, so that a rare class weighs as
    much as the road. `sums` is what `jaccard_sums` gives, of a whole batch or added up over its parts.
    """
    both, either, area = sums
    there = (area > 0).to(both.dtype)
    return 1 - (there * both / either.clamp_min(1e-6)).sum() / there.sum().clamp_min(1)


def lovasz_softmax(logits: Tensor, labels: Tensor, stride: int = 2) -> Tensor:
    """Return the Lovasz extension of 1 - IoU, mean over the classes in the batch (Berman et al., 2018).

    Taken over every `stride`-th pixel each way, because it sorts the pixels once for every class.
    """
    logits, labels = logits[..., ::stride, ::stride], labels[:, ::stride, ::stride]
    probability = logits.softmax(1).transpose(0, 1).flatten(1)          # (C, pixels)
    labels = labels.flatten()
    classes = torch.arange(len(probability), device=labels.device)
    truth = (labels == classes[:, None]).to(probability.dtype)
    # A void pixel has no error: sorted last, where it adds nothing.
    errors, order = ((truth - probability).abs() * (labels != IGNORE)).sort(1, descending=True)
    truth = truth.gather(1, order)
    area = truth.sum(1, keepdim=True)
    jaccard = 1 - (area - truth.cumsum(1)) / (area + (1 - truth).cumsum(1)).clamp_min(1)
    slope = torch.cat([jaccard[:, :1], jaccard[:, 1:] - jaccard[:, :-1]], 1)
    there = (area[:, 0] > 0).to(errors.dtype)
    return ((errors * slope).sum(1) * there).sum() / there.sum().clamp_min(1)


def distillation(logits: Tensor, soft: Tensor, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence per pixel from a teacher's softened probabilities.

    `soft` is (N, C, h, w), softened by `temperature`, at the logits' size or half of it, where the mean
    logits of four pixels answer. Pixels without a teacher's answer (all zero, outside the frame) do not
    count; void ones do, for there the teacher is all there is to learn from. Scaled by the squared
    temperature (Hinton et al., 2015, section 2).
    """
    if soft.shape[-1] != logits.shape[-1]:
        logits = F.avg_pool2d(logits, 2)
    answered = soft.sum(1) > 0
    each = F.kl_div((logits / temperature).log_softmax(1), soft, reduction='none').sum(1)
    return temperature ** 2 * (each * answered).sum() / answered.sum().clamp_min(1)


def encoder_labels(labels: Tensor) -> Tensor:
    """Take labels at 1/8 of their size, from the middle of each 8x8 cell."""
    return labels[:, 4::8, 4::8]


def total(options: Loss, logits: Tensor, labels: Tensor, weight: Tensor,
          auxiliary: Optional[Tensor] = None, soft: Optional[Tensor] = None) -> Tensor:
    """Return the recipe's loss of one batch: cross entropy and whatever the recipe adds, but the Jaccard."""
    loss = cross_entropy(logits, labels, weight, options.smoothing, options.ohem)
    if options.lovasz:
        loss = loss + options.lovasz * lovasz_softmax(logits, labels)
    if auxiliary is not None:
        loss = loss + options.auxiliary * cross_entropy(auxiliary, encoder_labels(labels), weight)
    if soft is not None:
        loss = loss + options.distillation * distillation(logits, soft, options.temperature)
    return loss
