"""Losses against their definitions, written out slowly."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from enet_ros.training import losses
from enet_ros.training.recipe import Loss


def _case(classes: int = 4):
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(2, classes, 6, 8, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, classes, (2, 6, 8), generator=generator)
    labels[0, :2] = 255
    return logits, labels, torch.rand(classes, generator=generator, dtype=torch.float64) + 0.5


def test_class_weights() -> None:
    """1/ln(c + p), median frequency, SegNet's own; what never occurs weighs nothing."""
    pixels, present = np.array([60, 30, 10, 0]), np.array([100, 50, 100, 0])
    log = losses.class_weights(Loss(weight_c=1.02), pixels, present)
    assert log == pytest.approx([1 / np.log(1.62), 1 / np.log(1.32), 1 / np.log(1.12), 0], rel=1e-6)
    median = losses.class_weights(Loss(weights='median'), pixels, present)
    assert median == pytest.approx([1, 1, 6, 0])
    assert losses.class_weights(Loss(weights='none'), pixels, present).tolist() == [1, 1, 1, 0]
    eleven = np.full(11, 5)
    assert losses.class_weights(Loss(weights='segnet'), eleven, eleven)[6] == pytest.approx(9.6446)
    assert losses.class_weights(Loss(weights='segnet'), pixels, present) == pytest.approx([1, 1, 6, 0])


def test_median_frequency_gives_segnet_s_weights_on_camvid() -> None:
    """The published weights follow, to within a fifth, from SegNet's definition and CamVid's counts."""
    pixels = np.array([10682767, 14750079, 623349, 20076880, 2845085, 6166762, 743859, 714595, 3719877,
                       405385, 184967])
    weight = losses.class_weights(Loss(weights='median'), pixels, np.full(11, pixels.sum()))
    assert np.corrcoef(np.log(weight), np.log(losses.SEGNET_CAMVID))[0, 1] > 0.85


def test_cross_entropy_is_torch_s_and_ohem_its_hardest_part() -> None:
    """All pixels: torch's own. The hardest tenth: the same mean over the pixels of largest loss."""
    logits, labels, weight = _case()
    assert torch.equal(losses.cross_entropy(logits, labels, weight),
                       F.cross_entropy(logits, labels, weight, ignore_index=255))
    each = F.cross_entropy(logits, labels, ignore_index=255, reduction='none').flatten()
    hardest = each.topk(10).indices
    chosen = weight[labels.flatten()[hardest]]
    expected = (each[hardest] * chosen).sum() / chosen.sum()
    got = losses.cross_entropy(logits, labels, weight, hardest=10 / 96)
    assert got.item() == pytest.approx(expected.item())


def test_soft_jaccard_is_one_minus_iou_where_the_network_is_sure() -> None:
    """With one-hot probabilities it is 1 - mean IoU of the classes that are there, void left out."""
    _, labels, _ = _case()
    predicted = torch.where(labels == 255, torch.zeros_like(labels), labels).clone()
    predicted[1, 0, :4] = 0
    sure = 100.0 * F.one_hot(predicted, 5).permute(0, 3, 1, 2).double()
    valid = labels != 255
    ious = []
    for index in range(4):
        both = ((predicted == index) & (labels == index) & valid).sum()
        either = (((predicted == index) | (labels == index)) & valid).sum()
        ious.append((both / either).item())
    assert losses.soft_jaccard(losses.jaccard_sums(sure, labels)).item() == pytest.approx(1 - np.mean(ious))


def test_soft_jaccard_of_parts_is_that_of_the_whole() -> None:
    """Sums of two halves of a batch, added up, give the batch's loss; the mean of two losses does not."""
    logits, labels, _ = _case()
    parts = [losses.jaccard_sums(logits[n:n + 1], labels[n:n + 1]) for n in (0, 1)]
    whole = losses.soft_jaccard(losses.jaccard_sums(logits, labels))
    assert losses.soft_jaccard(sum(parts)).item() == pytest.approx(whole.item())
    assert (losses.soft_jaccard(parts[0]) + losses.soft_jaccard(parts[1])).item() / 2 != \
        pytest.approx(whole.item(), abs=1e-4)


def _jaccard_loss(wrong: np.ndarray, truth: np.ndarray) -> float:
    """1 - IoU of a class where exactly the pixels `wrong` are mistaken."""
    predicted = truth ^ wrong
    either = (predicted | truth).sum()
    return 1 - (predicted & truth).sum() / either if either else 0.0


def test_lovasz_is_the_extension_of_the_jaccard_loss() -> None:
    """By its definition: errors in falling order, each times what mistaking its pixel adds to the loss."""
    logits, labels, _ = _case()
    probability = logits.softmax(1).permute(1, 0, 2, 3).reshape(4, -1).numpy()
    flat = labels.flatten().numpy()
    kept = flat != 255
    expected = []
    for index in range(4):
        truth = (flat == index)[kept]
        errors = np.abs(truth - probability[index][kept])
        wrong, before, total = np.zeros(len(truth), bool), 0.0, 0.0
        for pixel in np.argsort(-errors, kind='stable'):
            wrong[pixel] = True
            now = _jaccard_loss(wrong, truth)
            total, before = total + errors[pixel] * (now - before), now
        expected.append(total)
    assert losses.lovasz_softmax(logits, labels, 1).item() == pytest.approx(np.mean(expected))
    assert losses.lovasz_softmax(logits, labels).item() == pytest.approx(
        losses.lovasz_softmax(logits[..., ::2, ::2], labels[:, ::2, ::2], 1).item())


def test_distillation_vanishes_at_the_teacher() -> None:
    """Zero where both agree, positive elsewhere; void pixels teach, those without an answer do not."""
    logits, _, _ = _case()
    soft = (logits / 2).softmax(1)
    assert losses.distillation(logits, soft, 2.0).item() == pytest.approx(0, abs=1e-9)
    other = logits.clone()
    other[0, :, :2] += torch.randn(4, 2, 8, dtype=torch.float64)        # where the label is void
    assert losses.distillation(other, soft, 2.0).item() > 0.01
    silent = soft.clone()
    silent[0, :, :2] = 0
    assert losses.distillation(other, silent, 2.0).item() == pytest.approx(0, abs=1e-9)
    each = F.kl_div((other / 2).log_softmax(1), soft, reduction='none').sum(1)
    assert losses.distillation(other, soft, 2.0).item() == pytest.approx(4 * each.mean().item())
    half = (F.avg_pool2d(logits, 2) / 2).softmax(1)
    assert losses.distillation(logits, half, 2.0).item() == pytest.approx(0, abs=1e-9)


def test_total_adds_what_the_recipe_names() -> None:
    """Each part enters with its weight."""
    logits, labels, weight = _case()
    auxiliary = torch.randn(2, 4, 1, 1, dtype=torch.float64)
    plain = losses.total(Loss(), logits, labels, weight)
    lovasz = losses.total(Loss(lovasz=0.5), logits, labels, weight)
    assert (lovasz - plain).item() == pytest.approx(0.5 * losses.lovasz_softmax(logits, labels).item())
    labels = labels.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, :8, :8]
    taken = losses.encoder_labels(labels)
    assert taken.shape == (2, 1, 1) and (taken[:, 0, 0] == labels[:, 4, 4]).all()
    logits = logits.repeat(1, 1, 2, 1)[..., :8, :8]
    extra = losses.total(Loss(auxiliary=0.4), logits, labels, weight, auxiliary)
    base = losses.total(Loss(), logits, labels, weight)
    assert (extra - base).item() == pytest.approx(
        0.4 * F.cross_entropy(auxiliary, taken, weight, ignore_index=255).item())
