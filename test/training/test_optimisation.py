"""Optimisers, schedules, averages and recalibrated statistics."""

import pytest
import torch
from torch import nn

from enet_ros import networks
from enet_ros.training import optimisation
from enet_ros.training.recipe import Optimiser


@pytest.mark.parametrize('schedule, expected', [
    ('constant', (0.5, 1, 1, 1)), ('poly', (0.5 * 0.95 ** 0.9, 0.5 ** 0.9, 0.1 ** 0.9, 0)),
    ('trapezoid', (0.5, 1, 0.25, 0))])
def test_learning_rates_over_time(schedule: str, expected) -> None:
    """Warm-up, then flat, polynomial, or flat and down to zero."""
    options = Optimiser(schedule=schedule, warmup=0.1, cooldown=0.4)
    assert [optimisation.rate_factor(options, at) for at in (0.05, 0.5, 0.9, 1.0)] == pytest.approx(expected)
    assert optimisation.rate_factor(options, 1.7) == pytest.approx(expected[-1])


def test_rates_are_set_from_the_first_ones() -> None:
    """Setting a factor twice does not multiply it twice."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.4)
    for factor in (0.5, 0.5, 0.25):
        optimisation.set_rates([optimiser], factor)
    assert optimiser.param_groups[0]['lr'] == pytest.approx(0.1)


def test_orthogonalise_brings_singular_values_near_one() -> None:
    """Wide, tall and square matrices, whatever their scale."""
    for shape in ((32, 288), (128, 32), (16, 16)):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 37
        values = torch.linalg.svdvals(optimisation.orthogonalise(matrix))
        assert values.max() < 1.3 and values.median() > 0.6


def test_every_parameter_has_one_optimiser_and_vectors_are_not_decayed() -> None:
    """Each parameter is in exactly one group; Muon takes hidden matrices only."""
    network = networks.build('enet', 5)
    for kind in ('adam', 'adamw', 'sgd', 'muon'):
        built = optimisation.build(Optimiser(kind=kind), network)
        held = [id(p) for optimiser in built for group in optimiser.param_groups for p in group['params']]
        assert sorted(held) == sorted(id(p) for p in network.parameters())
        decayed = [p for optimiser in built for group in optimiser.param_groups
                   if group['weight_decay'] for p in group['params']]
        assert kind == 'adam' or all(p.ndim > 1 for p in decayed)
    muon = built[0].param_groups[0]['params']
    assert all(p.ndim == 4 for p in muon) and id(network.decoder.last.weight) not in {id(p) for p in muon}


def test_muon_descends() -> None:
    """It fits a random linear map."""
    generator = torch.Generator().manual_seed(0)
    target, weight = torch.randn(6, 10, generator=generator), nn.Parameter(torch.zeros(6, 10))
    optimiser = optimisation.Muon([weight], 0.2, 0.9, 0.0)
    first = (weight - target).pow(2).mean().item()
    for step in range(100):
        optimiser.zero_grad()
        (weight - target).pow(2).mean().backward()
        optimiser.param_groups[0]['lr'] = 0.2 * (1 - step / 100)
        optimiser.step()
    assert (weight - target).pow(2).mean().item() < 0.05 * first


def test_average_follows_and_resumes() -> None:
    """It begins at the network, follows it with its statistics, and continues elsewhere."""
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    average = optimisation.average(network, 0.5)
    average.update_parameters(network)
    before = average.module[0].weight.clone()
    with torch.no_grad():
        for tensor in list(network.parameters()) + [network[1].running_mean]:
            tensor.add_(1)
    average.update_parameters(network)
    # The first decays are below the 0.5 asked for: 2 / 11.
    assert torch.allclose(average.module[0].weight, before + 9 / 11)
    assert torch.allclose(average.module[1].running_mean, torch.full((2,), 9 / 11))
    assert average.module[1].num_batches_tracked.dtype == torch.int64 and not average.training
    other = optimisation.average(network, 0.5)
    other.load_state_dict(average.state_dict())
    average.update_parameters(network)
    other.update_parameters(network)
    assert torch.equal(average.module[0].weight, other.module[0].weight)


@pytest.mark.parametrize('better', [True, False])
def test_recalibrated_statistics_are_undone_where_the_score_falls(better: bool) -> None:
    """They are scored before and after, and the weights that scored more stay."""
    network = nn.Sequential(nn.BatchNorm2d(3))
    images = [torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)) + 5]
    scores = iter([0.5, 0.6 if better else 0.4])
    assert optimisation.recalibrate_if_better(network, lambda: images, lambda: next(scores)) == better
    assert (network[0].running_mean.mean() > 4) == better


def test_recalibrated_statistics_are_plain_means() -> None:
    """Running mean and variance become those of the images; dropout stays off, momentum comes back."""
    network = nn.Sequential(nn.Dropout2d(0.5), nn.BatchNorm2d(3))
    images = [torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(n)) * 2 + 1 for n in range(3)]
    assert optimisation.recalibrate(network, iter(images)) == 12
    assert torch.allclose(network[1].running_mean, torch.cat(images).mean((0, 2, 3)), atol=1e-5)
    assert network[1].momentum == 0.1 and not network.training and not network[1].training
