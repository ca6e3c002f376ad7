"""Layer and batch normalisation in the networks that offer both."""

import pytest
import torch
from tests.gnn.test_every_network import some_graph

from hitgraph.nn.blocks import NORMS, Norm
from hitgraph.stage import NETWORKS
from hitgraph.tensors import load_network, network_tensors

networks = pytest.mark.parametrize("use", ["attention", "interaction"])
norms = pytest.mark.parametrize("norm", list(NORMS))


@norms
def test_what_is_normalised(norm: Norm) -> None:
    """Each row in itself, or each column over the rows."""
    x = torch.randn(50, 7, generator=torch.Generator().manual_seed(0)) * 3 + 2
    y = NORMS[norm](7)(x)
    dim = 1 if norm == "layer" else 0
    torch.testing.assert_close(y.mean(dim), torch.zeros(y.shape[1 - dim]), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        y.var(dim, unbiased=False), torch.ones(y.shape[1 - dim]), rtol=1e-3, atol=0
    )


@pytest.mark.parametrize("n_rows", [0, 1])
def test_a_step_without_rows_to_compare_changes_no_statistics(n_rows: int) -> None:
    layer = NORMS["batch"](3)
    before = {name: one.clone() for name, one in layer.named_buffers()}
    assert layer(torch.ones(n_rows, 3)).shape == (n_rows, 3)
    assert all(torch.equal(one, before[name]) for name, one in layer.named_buffers())


@networks
@norms
def test_in_training_only_batch_normalisation_lets_events_see_each_other(
    use: str, norm: Norm
) -> None:
    """Two graphs without an edge between them, together and apart; in inference neither does."""
    torch.manual_seed(0)
    network = NETWORKS[use](norm=norm, hidden=8, steps=2).build(3, 4)
    network.backend = "plain"
    one, other = some_graph(12, 30, 1), some_graph(9, 20, 2)
    both = (
        torch.cat([one[0], other[0] + 5]),
        torch.cat([one[1], other[1] + len(one[0])], dim=1),
        torch.cat([one[2], other[2]]),
    )
    for training, apart in ((False, True), (True, norm == "layer")):
        network.train(training)
        with torch.no_grad():
            alone, together = network(*one), network(*both)[:30]
        assert torch.allclose(alone, together, rtol=1e-4, atol=1e-4) == apart


@networks
def test_saved_with_its_statistics_it_is_the_same(use: str) -> None:
    settings = NETWORKS[use](norm="batch")
    network = settings.build(3, 4)
    graph = some_graph(20, 60, 0)
    network.train()(*graph)
    again = load_network(
        lambda: settings.build(3, 4), network_tensors(network, "network"), "network", settings
    )
    network.eval()
    with torch.no_grad():
        assert torch.equal(again(*graph), network(*graph))
