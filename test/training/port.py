"""The module names and the arithmetic of PyTorch-ENet's network, to make checkpoints like its own."""

import torch
from torch import nn


def _act(slope):
    return nn.PReLU() if slope else nn.ReLU()


def _unit(inputs, outputs, kernel, slope, **options):
    return [nn.Conv2d(inputs, outputs, kernel, bias=False, **options), nn.BatchNorm2d(outputs), _act(slope)]


class Initial(nn.Module):
    """Convolution beside pooling."""

    def __init__(self):
        super().__init__()
        self.main_branch = nn.Conv2d(3, 13, 3, stride=2, padding=1, bias=False)
        self.ext_branch = nn.MaxPool2d(3, stride=2, padding=1)
        self.batch_norm = nn.BatchNorm2d(16)
        self.out_activation = nn.PReLU()

    def forward(self, x):
        """Concatenate, normalise, activate."""
        return self.out_activation(self.batch_norm(torch.cat((self.main_branch(x), self.ext_branch(x)), 1)))


class Block(nn.Module):
    """Regular, dilated, asymmetric and downsampling bottlenecks."""

    def __init__(self, channels, slope, dilation=1, asymmetric=False, outputs=None):
        super().__init__()
        width, self.outputs = channels // 4, outputs
        project = {'stride': 2} if outputs else {}
        self.ext_conv1 = nn.Sequential(*_unit(channels, width, 2 if outputs else 1, slope, **project))
        if asymmetric:
            middle = (_unit(width, width, (5, 1), slope, padding=(2, 0))
                      + _unit(width, width, (1, 5), slope, padding=(0, 2)))
        else:
            middle = _unit(width, width, 3, slope, padding=dilation, dilation=dilation)
        self.ext_conv2 = nn.Sequential(*middle)
        self.ext_conv3 = nn.Sequential(*_unit(width, outputs or channels, 1, slope))
        self.main_max1 = nn.MaxPool2d(2, stride=2, return_indices=True)
        self.out_activation = _act(slope)

    def forward(self, x):
        """Add the extension to the (pooled, padded) input; the indices where it pools."""
        extension = self.ext_conv3(self.ext_conv2(self.ext_conv1(x)))
        if not self.outputs:
            return self.out_activation(x + extension)
        main, indices = self.main_max1(x)
        padding = main.new_zeros(len(main), self.outputs - main.shape[1], *main.shape[2:])
        return self.out_activation(torch.cat((main, padding), 1) + extension), indices


class Up(nn.Module):
    """Upsampling bottleneck."""

    def __init__(self, channels, outputs):
        super().__init__()
        width = channels // 4
        self.main_conv1 = nn.Sequential(nn.Conv2d(channels, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.main_unpool1 = nn.MaxUnpool2d(2)
        self.ext_conv1 = nn.Sequential(*_unit(channels, width, 1, False))
        self.ext_tconv1 = nn.ConvTranspose2d(width, width, 2, stride=2, bias=False)
        self.ext_tconv1_bnorm = nn.BatchNorm2d(width)
        self.ext_tconv1_activation = nn.ReLU()
        self.ext_conv2 = nn.Sequential(nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.out_activation = nn.ReLU()

    def forward(self, x, indices):
        """Unpool one branch, convolve the other."""
        extension = self.ext_tconv1_activation(self.ext_tconv1_bnorm(self.ext_tconv1(self.ext_conv1(x))))
        return self.out_activation(
            self.main_unpool1(self.main_conv1(x), indices) + self.ext_conv2(extension))


KINDS = [('regular', {}), ('dilated', {'dilation': 2}), ('asymmetric', {'asymmetric': True}),
         ('dilated', {'dilation': 4}), ('regular', {}), ('dilated', {'dilation': 8}),
         ('asymmetric', {'asymmetric': True}), ('dilated', {'dilation': 16})]


class Port(nn.Module):
    """The whole network under that project's names."""

    def __init__(self, classes):
        super().__init__()
        self.initial_block = Initial()
        self.downsample1_0 = Block(16, True, outputs=64)
        for number in range(1, 5):
            setattr(self, f'regular1_{number}', Block(64, True))
        self.downsample2_0 = Block(64, True, outputs=128)
        self.deep = []
        for section, first in ((2, 1), (3, 0)):
            for number, (kind, options) in enumerate(KINDS, first):
                self.deep.append(f'{kind}{section}_{number}')
                setattr(self, self.deep[-1], Block(128, True, **options))
        self.upsample4_0 = Up(128, 64)
        self.regular4_1, self.regular4_2 = Block(64, False), Block(64, False)
        self.upsample5_0 = Up(64, 16)
        self.regular5_1 = Block(16, False)
        self.transposed_conv = nn.ConvTranspose2d(16, classes, 3, stride=2, padding=1, bias=False)

    def forward(self, image):
        """Image to logits."""
        x, indices1 = self.downsample1_0(self.initial_block(image))
        for number in range(1, 5):
            x = getattr(self, f'regular1_{number}')(x)
        x, indices2 = self.downsample2_0(x)
        for name in self.deep:
            x = getattr(self, name)(x)
        x = self.regular4_2(self.regular4_1(self.upsample4_0(x, indices2)))
        x = self.regular5_1(self.upsample5_0(x, indices1))
        return self.transposed_conv(x, output_size=image.shape[-2:])


def trained(classes, seed=3):
    """Return the network with statistics and slopes that no default could be mistaken for."""
    torch.manual_seed(seed)
    network = Port(classes)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
        if isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0.05, 0.5)
    return network.eval()
