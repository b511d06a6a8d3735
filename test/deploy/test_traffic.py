"""The rule by which memory traffic is counted."""

import pytest

from enet_ros.deploy import traffic
from enet_ros.deploy.graph import rewrite
from enet_ros.deploy.traffic import Layer
from enet_ros.networks.enet import ENet


def layer(kind, reads, writes):
    return Layer(kind, tuple((key, 10) for key in reads), tuple((key, 10) for key in writes))


def moved(*layers, **options):
    counted = traffic.count(layers, options.get('outputs', [layers[-1].writes[0][0]]))
    return sum(counted.elements.values()), counted.layers


def test_convolution_takes_its_activation_along():
    assert moved(layer('convolution', 'a', 'b'), layer('activation', 'b', 'c')) == (20, 1)


def test_but_not_where_its_own_output_is_needed_too():
    assert moved(layer('convolution', 'a', 'b'), layer('activation', 'b', 'c'),
                 layer('pointwise', 'bc', 'd')) == (40, 2)


def test_nor_pointwise_layers_after_it():
    assert moved(layer('convolution', 'a', 'b'), layer('activation', 'b', 'c'),
                 layer('pointwise', 'c', 'd')) == (40, 2)


def test_pointwise_layers_chain():
    assert moved(layer('pointwise', 'a', 'b'), layer('pointwise', 'b', 'c'),
                 layer('pointwise', 'cx', 'd')) == (30, 1)


def test_but_not_around_something_between():
    """A residual: what is added is made from what it is added to."""
    assert moved(layer('pointwise', 'a', 'b'), layer('convolution', 'b', 'c'),
                 layer('pointwise', 'bc', 'd')) == (20 + 20 + 30, 3)


def test_what_nobody_needs_costs_nothing():
    assert moved(layer('slice', 'a', 'b'), layer('slice', 'a', 'c'), outputs=['b'])[0] == 20


def test_copies_are_layers():
    assert moved(layer('slice', 'a', 'b'), layer('reshape', 'b', 'c'),
                 layer('concatenation', 'cd', 'e')) == (70, 3)


@pytest.mark.parametrize('variant', ['authors', 'paper', 'pytorch-enet'])
def test_enet_stays_below_334_megabytes(variant):
    counted = traffic.of_graph(rewrite(ENet(19, variant)), (360, 640))
    assert 250 < counted.megabytes() < 334
    assert counted.megabytes(4) == 2 * counted.megabytes()


def test_traffic_grows_with_the_image():
    graph = rewrite(ENet(11))
    small, large = [traffic.of_graph(graph, size) for size in ((64, 64), (128, 128))]
    assert small.layers == large.layers
    assert small.elements['weights'] == large.elements['weights']
    assert large.elements['convolution'] == 4 * small.elements['convolution']
