"""What a recipe says: the settings of a training, each with the default that leaves its part off."""

from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Tuple

Range = Tuple[float, float]


@dataclass(frozen=True)
class Augmentation:
    """What is done to a training frame; every part is off at its default."""

    scale: Range = (1.0, 1.0)       # of the frame at input size, drawn log-uniformly
    stretch: float = 0.0            # extra horizontal scale, up to 1 + stretch or its inverse
    flip: float = 0.0               # probability of a left-right flip
    brightness: float = 0.0         # factor 1 +- this
    contrast: float = 0.0           # around the crop's mean, factor 1 +- this
    saturation: float = 0.0         # towards or away from grey, factor 1 +- this
    channels: float = 0.0           # factor 1 +- this for red, green and blue apart
    gamma: float = 0.0              # exponent between 1 / (1 + this) and 1 + this
    blur: float = 0.0               # probability of a 3x3 blur
    noise: float = 0.0              # standard deviation of pixel noise, of 255, drawn up to this
    rare: float = 0.0               # probability that a crop is centred on a pixel of a rare class
    paste: float = 0.0              # probability that rare objects of another frame are pasted
    paste_scale: Range = (1.0, 1.0)     # of those objects, about the horizon: nearer is larger, lower
    paste_shift: float = 0.0        # how far they move sideways, up to this share of the width
    rare_classes: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Loss:
    """Cross entropy weighted by class, and what may be added to it."""

    weights: str = 'log'            # 'log': 1 / ln(c + p); 'median': median frequency; 'none'
    weight_c: float = 1.02          # c of the paper's weighting (section 5.2)
    smoothing: float = 0.0          # label smoothing
    ohem: float = 1.0               # share of the hardest pixels that count; 1 is all
    jaccard: float = 0.0            # weight of the soft Jaccard loss, 1 - mean soft IoU of the batch
    lovasz: float = 0.0             # weight of the Lovasz-softmax loss, over every second pixel each way
    auxiliary: float = 0.0          # weight of a second classifier on the encoder (1/8 size), dropped later
    distillation: float = 0.0       # weight of the divergence from a teacher's softened answer
    temperature: float = 2.0        # of that softening
    teacher: Tuple[str, ...] = ()   # .npz files, 'self' (the stage before) or one .npy of probabilities
    teacher_scales: Tuple[float, ...] = (1.0,)      # each at every scale, as it is and flipped


@dataclass(frozen=True)
class Optimiser:
    """The optimiser and its learning rate over time."""

    kind: str = 'adam'              # adam (decay as L2), adamw, sgd, muon (matrices; AdamW for the rest)
    lr: float = 5e-4
    weight_decay: float = 2e-4
    momentum: float = 0.9           # of sgd and muon
    vector_lr: float = 2e-3         # muon only: AdamW's rate for vectors and the last layer
    schedule: str = 'constant'      # constant, poly, trapezoid (flat, then down to zero)
    power: float = 0.9              # of poly
    warmup: float = 0.0             # share of the training over which the rate rises from zero
    cooldown: float = 0.3           # trapezoid: share over which it falls to zero


@dataclass(frozen=True)
class Stage:
    """One run of the optimiser over a part of the network."""

    part: str = 'all'               # 'encoder' (1/8 labels, paper section 5.2) or 'all'
    epochs: int = 300
    batch: int = 10
    crop: Tuple[int, int] = (360, 480)      # height, width; multiples of 8
    dropout: float = -1.0           # of the blocks that have 0.1 as published; negative: leave it
    augmentation: Augmentation = field(default_factory=Augmentation)
    loss: Loss = field(default_factory=Loss)
    optimiser: Optimiser = field(default_factory=Optimiser)
    ema: float = 0.0                # decay per step of the averaged weights, 0: none


@dataclass(frozen=True)
class Recipe:
    """A whole training: the network, its input size and one stage after the other."""

    name: str
    stages: Tuple[Stage, ...]
    network: str = 'enet'
    variant: str = 'authors'
    input_size: Tuple[int, int] = (360, 480)
    seed: int = 1
    precision: str = 'auto'         # auto, float32, bfloat16, float16 (GPU)
    compile: bool = False           # torch.compile of the forward pass with its loss
    channels_last: bool = True
    workers: int = 2                # threads that prepare batches
    validate_every: int = 5         # epochs
    recalibrate: bool = False       # batch-norm statistics taken again over full frames at the end
    sequence_balance: float = 0.0   # 0: frames as they are; 1: every sequence equally often

    @property
    def epochs(self) -> int:
        """Epochs of all stages together."""
        return sum(stage.epochs for stage in self.stages)

    def to_dict(self) -> Dict[str, Any]:
        """Return plain types, as they go into a checkpoint's record."""
        return asdict(self)
