"""A convolutional network on images of the detector around a seed (HEP.TrkX, 2017).

The first attempts at tracking with networks looked at images of detector layers, and at seeds in
them (S. Farrell et al., EPJ Web Conf. 150 (2017) 00003). Here every seed has an image that is bent
along the helix through its three hits: across the circle and along z, each layer as large as
particles scatter there. Every layer has a channel with its hits and one with those of the seed. The
network says of every pixel of every layer whether the seed's particle went through it. What is in
one pixel it cannot tell apart.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from hitgraph.lessons.settings import check_at_least
from hitgraph.tracks.cnn.circles import circles_through


@dataclass(frozen=True)
class CnnNetworkSettings:
    """Sizes of the images and of the network."""

    bins: int = 16  # pixels across the circle, and as many along z
    hidden: int = 16  # channels
    layers: int = 5  # convolutions of 3 by 3 pixels, 1, 2, 4 ... apart, and 1 in the last
    detector_layers: int = 10  # in the images, as many as targets have hits on, or more

    def __post_init__(self) -> None:
        check_at_least(self, bins=1, hidden=1, layers=2, detector_layers=1)


class Pixels(nn.Module):
    """From what is in the pixels of an image to whether the seed's particle went through them."""

    def __init__(self, settings: CnnNetworkSettings) -> None:
        super().__init__()
        n_channels = settings.detector_layers
        widths = [2 * n_channels, *[settings.hidden] * (settings.layers - 1), n_channels]
        steps = [2**k for k in range(settings.layers - 1)] + [1]
        parts: list[nn.Module] = []
        for step, (n_in, n_out) in zip(steps, pairwise(widths), strict=True):
            parts += [nn.Conv2d(n_in, n_out, 3, padding=step, dilation=step), nn.ReLU()]
        self.convolutions = nn.Sequential(*parts[:-1])

    def forward(self, images: Tensor) -> Tensor:
        """(n_seeds, 2 n, bins, bins) of n layers, hits and seeds -> logits (n_seeds, n, ...)."""
        logits: Tensor = self.convolutions(images)
        return logits.float()


@dataclass(frozen=True, eq=False)
class Seen:
    """The hits in the images of seeds, (n,) each, and the images."""

    seed: Tensor  # int64
    hit: Tensor
    channel: Tensor
    pixel: Tensor  # of the channel, row by row
    images: Tensor  # (n_seeds, 2 n, bins, bins) float32: layer, across, along z

    def at(self, values: Tensor) -> Tensor:
        """(n,) what values (n_seeds, n, bins, bins) are where the hits are."""
        return values.flatten(2)[self.seed, self.channel, self.pixel]


def look(
    position: Tensor, channel: Tensor, seeds: Tensor, half: Tensor, settings: CnnNetworkSettings
) -> Seen:
    """The images of seeds (n_seeds, 3) among hits at (n_hits, 3) mm, from their first hits on.

    half (2, n) mm is how far the image of each layer reaches from the helix to its edges;
    channel (n_hits,) int64 of the layer of each hit, -1 for layers that are not in the images.
    """
    circles = circles_through(position[seeds])
    n_channels = settings.detector_layers
    shown = torch.nonzero(channel >= 0).squeeze(1)
    seed, hit = circles.near(position[shown], half[0, channel[shown]])
    hit = shown[hit]
    across, along, way = circles.at(seed).ways(position[hit].double())
    across, along = (
        ways / size[channel[hit]] for ways, size in zip((across, along), half, strict=True)
    )
    inside = (across.abs() < 1) & (along.abs() < 1) & (way >= 0)
    seed, hit, across, along = seed[inside], hit[inside], across[inside], along[inside]
    pixel = _bin(across, settings.bins) * settings.bins + _bin(along, settings.bins)
    images = half.new_zeros(len(seeds), 2 * n_channels, settings.bins**2)
    images[seed, channel[hit], pixel] = 1.0
    own = (seeds[seed] == hit[:, None]).any(1)
    images[seed[own], n_channels + channel[hit[own]], pixel[own]] = 1.0
    images = images.reshape(len(seeds), 2 * n_channels, settings.bins, settings.bins)
    return Seen(seed, hit, channel[hit], pixel, images)


def _bin(value: Tensor, n_bins: int) -> Tensor:
    """Of values between -1 and 1."""
    return ((value + 1) / 2 * n_bins).long().clamp(0, n_bins - 1)
