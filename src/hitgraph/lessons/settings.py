"""How a network is trained: settings only, so that a recipe can be read without lightning."""

from dataclasses import dataclass, field
from typing import Literal

from hitgraph.errors import SettingsError
from hitgraph.event.selection import TARGETS, Selection
from hitgraph.nn.quantise import FLOAT

__all__ = [
    "DataSettings",
    "PruneSettings",
    "QuantiseSettings",
    "TrainingSettings",
    "TruthSettings",
    "check_above",
    "check_at_least",
    "check_not_empty",
    "check_share",
    "check_tail",
    "refuse_graph_settings",
    "refuse_split",
    "refuse_teacher",
    "refuse_trackml_weights",
]


@dataclass(frozen=True)
class QuantiseSettings:
    """Bits of the numbers that linear layers multiply: one for all layers, or one each."""

    weights: tuple[int, ...] = (FLOAT,)  # 2 to 16; 32 = no grid
    activations: tuple[int, ...] = (FLOAT,)  # that a layer is given; embedding and filter only

    def __post_init__(self) -> None:
        for key in ("weights", "activations"):
            check_not_empty(self, key)
            for bits in getattr(self, key):
                if not 2 <= bits <= 16 and bits != FLOAT:
                    raise SettingsError(f"{key}: {bits} bits are not allowed, 2 to 16 or {FLOAT}")


@dataclass(frozen=True)
class PruneSettings:
    """Iterative pruning: after each training the smallest weights go, and it begins anew."""

    steps: int = 0  # of pruning, each with another training
    share: float = 0.2  # of the weights left that go at each step

    def __post_init__(self) -> None:
        check_at_least(self, steps=0)
        if not 0 < self.share < 1:
            raise SettingsError(f"share: {self.share} is not between 0 and 1")


@dataclass(frozen=True)
class TrainingSettings:
    """Optimiser, schedule and memory options of one training."""

    epochs: int = 10  # passes over the training events
    batches_a_step: int = 1  # of the optimiser, which gets their mean gradient; ranks share them
    learning_rate: float = 0.003  # peak; warmed up linearly, then down a half cosine
    range_test: bool = False  # take as peak where the loss falls steepest on the way up to that
    warmup: float = 0.1  # fraction of all steps
    weight_decay: float = 0.0  # of AdamW
    gradient_clip: float = 1.0  # largest norm of the gradient; 0 = no limit
    patience: int = 0  # epochs without a lower `val_loss` after which it ends; 0 = never
    precision: Literal["32", "bf16-mixed", "16-mixed"] = "32"  # of the arithmetic in training
    checkpointing: bool = False  # recompute activations: less memory, more time
    split: Literal["none", "phi"] = "none"  # phi: ranks share each graph, by azimuth, and no steps
    trackml_weights: bool = False  # weigh true edges by arXiv 2103.06995, equation 4
    begin_with: str | None = None  # a pipeline, whose weights of that stage and shape are taken
    teacher: str | None = None  # a pipeline, whose scores of edges are mixed into labels
    teacher_weight: float = 0.5  # of its scores in the labels, arXiv 1503.02531
    trackers: tuple[Literal["wandb", "mlflow"], ...] = ()  # beside CSV and TensorBoard
    quantise: QuantiseSettings = field(default_factory=QuantiseSettings)  # few bits
    prune: PruneSettings = field(default_factory=PruneSettings)  # few weights

    def __post_init__(self) -> None:
        check_at_least(
            self, epochs=1, batches_a_step=1, weight_decay=0, gradient_clip=0, patience=0
        )
        if not 0 < self.learning_rate < 1:
            raise SettingsError(f"learning_rate: {self.learning_rate} is not between 0 and 1")
        if not 0 <= self.warmup < 1:
            raise SettingsError(f"warmup: {self.warmup} is not in [0, 1)")
        check_share(self, "teacher_weight")

    @property
    def constrains_weights(self) -> bool:
        """Whether weights are on a grid or pruned."""
        return self.prune.steps > 0 or any(bits != FLOAT for bits in self.quantise.weights)

    @property
    def constrains_inputs(self) -> bool:
        """Whether what layers are given is on a grid."""
        return any(bits != FLOAT for bits in self.quantise.activations)


@dataclass(frozen=True)
class TruthSettings(Selection):
    """The targets of a training, and which of their edges count as true.

    True edges of other particles are neutral: no loss on them.
    """

    min_pt: float = TARGETS.min_pt  # GeV; targets have a larger one
    max_abs_eta: float | None = TARGETS.max_abs_eta  # below
    min_hits: int = TARGETS.min_hits  # targets have at least as many
    skip_edges: Literal["true", "neutral", "fake"] = "true"  # one particle, but not neighbours
    tune_for: Literal["score", "recognition"] = "score"  # what the cuts of track builders raise

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(self, min_hits=2)


@dataclass(frozen=True)
class DataSettings:
    """The first events of the data folder train, the following ones validate."""

    train_events: int  # that networks learn from
    validation_events: int  # that choose the best epoch and the cuts

    def __post_init__(self) -> None:
        check_at_least(self, train_events=1, validation_events=1)


def check_at_least(settings: object, **least: float) -> None:
    """Refuse a setting below its lowest value."""
    for key, low in least.items():
        value = getattr(settings, key)
        if value < low:
            raise SettingsError(f"{key}: {value} is not allowed, at least {low}")


def check_above(settings: object, **bounds: float) -> None:
    """Refuse a setting that is not above a bound."""
    for key, bound in bounds.items():
        value = getattr(settings, key)
        if not value > bound:
            raise SettingsError(f"{key}: {value} is not allowed, above {bound}")


def check_share(settings: object, *keys: str) -> None:
    """Refuse a setting that is no share of something, above 0."""
    for key in keys:
        value = getattr(settings, key)
        if not 0 < value <= 1:
            raise SettingsError(f"{key}: {value} is not in (0, 1]")


def check_tail(settings: object, *keys: str) -> None:
    """Refuse a share that is cut on either side, where nothing would be left between."""
    for key in keys:
        value = getattr(settings, key)
        if not 0 <= value < 0.5:
            raise SettingsError(f"{key}: {value} is not in [0, 0.5)")


def check_not_empty(settings: object, *keys: str) -> None:
    """Refuse a list without an entry."""
    for key in keys:
        if not getattr(settings, key):
            raise SettingsError(f"{key}: is empty")


def refuse_split(training: TrainingSettings) -> None:
    """For lessons whose graphs ranks cannot share."""
    if training.split != "none":
        raise SettingsError(
            f"training.split: {training.split} is not allowed here, only for edge networks"
        )


def refuse_graph_settings(training: TrainingSettings) -> None:
    """For networks that neither recompute activations nor have a graph to share."""
    refuse_split(training)
    if training.checkpointing:
        raise SettingsError(
            "training.checkpointing: true is not allowed here, only for edge networks, which fill "
            "the memory"
        )


def refuse_trackml_weights(training: TrainingSettings) -> None:
    """For lessons that do not weigh edges."""
    if training.trackml_weights:
        raise SettingsError(
            "training.trackml_weights: true is allowed for filters and edge networks only"
        )


def refuse_teacher(training: TrainingSettings) -> None:
    """For lessons whose labels are not those of edges."""
    if training.teacher:
        raise SettingsError(
            f"training.teacher: {training.teacher} is not allowed here, only for filters of pairs "
            "and triplets and edge networks"
        )
