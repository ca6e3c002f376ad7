"""What an edge network, perhaps of another package, has to hold before it is taught."""

from torch import Tensor

from hitgraph.errors import ContractError
from hitgraph.nn.edges import EdgeNetwork
from hitgraph.stage import NetworkSettings, class_of


def check_network(settings: NetworkSettings, network: object) -> None:
    """Raise ContractError where `build` made anything else than an edge network."""
    if not isinstance(network, EdgeNetwork):
        raise ContractError(
            f"network ({class_of(settings)}): build returned {type(network).__name__}, a subclass "
            "of EdgeNetwork (hitgraph.nn.edges) is expected"
        )


def check_logits(settings: NetworkSettings, logits: Tensor, y: Tensor) -> None:
    """Raise ContractError where the network does not give one logit for each edge."""
    if logits.shape != y.shape:
        raise ContractError(
            f"network ({class_of(settings)}): forward gives logits of shape {tuple(logits.shape)}, "
            f"expected {tuple(y.shape)}, one an edge"
        )
