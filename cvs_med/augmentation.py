"""Random changes of a batch on its device, one draw for image and masks; and the fixed views of a frozen encoder."""

import math
from dataclasses import dataclass

import torch
from scipy.special import betaincinv
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample, one_hot

from cvs_med.protocol_sections import Augmentation


@dataclass(frozen=True, slots=True)
class View:
    """One fixed way of looking at a photograph: mirrored, upside down, turned."""

    horizontal: bool = False
    vertical: bool = False
    degrees: float = 0

    def apply(self, planes: Tensor) -> Tensor:
        """Show planes (B, C, H, W) this way; turned planes are interpolated bilinearly, with zeros coming in."""
        flipped = planes.flip(self._axes()) if self._axes() else planes
        if not self.degrees:
            return flipped
        angles = torch.full((len(planes),), math.radians(self.degrees), device=planes.device)
        return _warp(flipped.float(), _matrices(angles, torch.ones_like(angles), torch.zeros(len(planes), 2)))

    def undo(self, planes: Tensor) -> Tensor:
        """Bring planes (B, C, H, W) that were flipped back; for views without a turn."""
        return planes.flip(self._axes()) if self._axes() else planes

    def _axes(self) -> list[int]:
        return [axis for axis, is_set in ((-1, self.horizontal), (-2, self.vertical)) if is_set]


def flips(settings: Augmentation) -> list[View]:
    """List the mirrored views that the settings allow, the plain one first; prediction averages over them."""
    horizontal = (False, True) if "horizontal" in settings.flip else (False,)
    vertical = (False, True) if "vertical" in settings.flip else (False,)
    return [View(left, up) for up in vertical for left in horizontal]


def views(settings: Augmentation) -> list[View]:
    """List the views of a frozen encoder: every flip, and every flip turned to either side."""
    angles = (0.0, settings.turn, -settings.turn) if settings.turn else (0.0,)
    return [View(flip.horizontal, flip.vertical, angle) for angle in angles for flip in flips(settings)]


def augment(images: Tensor, masks: Tensor, settings: Augmentation, generator: Generator) -> tuple[Tensor, Tensor]:
    """Change a batch at random, each image by its own draw, its masks with it.

    Args:
        images: (B, 3, H, W), floats in 0 to 1, or 8 bits in 0 to 255.
        masks: (B, M, H, W), of the same type, resampled bilinearly with the image.
        settings: what may happen.
        generator: source of all chance, on the CPU.

    Returns:
        Images and masks, floats in 0 to 1.
    """
    planes = torch.cat([images, masks], dim=1)
    if settings.turn or settings.zoom or settings.shift or settings.crops:
        matrices = _draw_matrices(len(planes), settings, generator).to(planes.device)
        planes = _warp(unit(planes), matrices, to_the_edge=settings.crops)
    else:
        planes = unit(_flip(planes, settings, generator))  # A byte is moved at a quarter of what a float costs.
    images, masks = planes[:, : images.shape[1]], planes[:, images.shape[1] :]
    if settings.colour:
        images = _colour(images, settings.colour, generator)
    if settings.noise:
        noise = torch.randn(images.shape, generator=generator).to(images.device)
        images = (images + settings.noise * noise).clamp(0, 1)
    return images, masks


def unit(planes: Tensor) -> Tensor:
    """Give floats of 0 to 1 as 32-bit floats, and what is kept in 8 bits as such."""
    return planes.float() / 255 if planes.dtype == torch.uint8 else planes.float()


def mixup(
    images: Tensor, labels: Tensor, classes: int, strength: float, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Mix every image with another of its batch, and their labels in the same shares, drawn once for the batch.

    Zhang, Cisse, Dauphin, Lopez-Paz: "mixup: Beyond Empirical Risk Minimization", arXiv 1710.09412.

    Args:
        images: (B, 3, H, W).
        labels: (B,), 0 to P - 1.
        classes: P.
        strength: both parameters of the Beta distribution of the shares; small ones leave most images nearly pure.
        generator: source of all chance, on the CPU.

    Returns:
        Images, and the share of every class in each, (B, P).
    """
    share = float(betaincinv(strength, strength, torch.rand((), generator=generator).item()))
    order = torch.randperm(len(images), generator=generator).to(images.device)
    shares = one_hot(labels, classes).float()
    return torch.lerp(images[order], images, share), torch.lerp(shares[order], shares, share)


def _flip(planes: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    """Mirror each image by its own draw; one that is to stay is not read for nothing."""
    sides, heights = (
        _coin(len(planes), generator).tolist() if name in settings.flip else [False] * len(planes)
        for name in ("horizontal", "vertical")
    )
    drawn = [View(*draw) for draw in zip(sides, heights, strict=True)]
    return torch.cat([view.apply(planes[number, None]) for number, view in enumerate(drawn)])


def _draw_matrices(count: int, settings: Augmentation, generator: Generator) -> Tensor:
    """Draw turn, zoom, shift and flips as one affine map an image, so that pixels are interpolated once: (B, 2, 3)."""
    angles = _uniform((count,), generator) * math.radians(settings.turn)
    zooms = 1 + settings.zoom * _uniform((count,), generator)
    shifts = 2 * settings.shift * _uniform((count, 2), generator)
    matrices = _matrices(angles, zooms.clamp_min(0.1), shifts)
    for column, name in enumerate(("horizontal", "vertical")):
        if name in settings.flip:
            matrices[_coin(count, generator), :, column] *= -1
    return _crop(matrices, settings, generator) if settings.crops else matrices


def _crop(matrices: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    """Let each map look at a random part of the photograph only, at most as large as the photograph: (B, 2, 3)."""
    least, most = settings.crop_area
    areas = least + (most - least) * torch.rand(len(matrices), generator=generator)
    ratios = (_uniform((len(matrices),), generator) * math.log(settings.crop_ratio)).exp()
    sides = torch.stack([areas * ratios, areas / ratios], dim=1).sqrt().clamp_max(1)
    corners = (1 - sides) * _uniform((len(matrices), 2), generator)
    cropped = matrices * sides[:, :, None]
    cropped[:, :, 2] += corners
    return cropped


def _matrices(angles: Tensor, zooms: Tensor, shifts: Tensor) -> Tensor:
    cosine, sine = angles.cos() / zooms, angles.sin() / zooms
    rows = torch.stack([cosine, -sine, shifts[:, 0].to(cosine), sine, cosine, shifts[:, 1].to(cosine)], dim=1)
    return rows.view(-1, 2, 3)


def _warp(planes: Tensor, matrices: Tensor, *, to_the_edge: bool = False) -> Tensor:
    """Resample planes; what lies outside is zero.

    Between the middle of the outermost pixels and the edge, bilinear interpolation fades to zero. A crop at the edge
    would enlarge that to a dark frame, so `to_the_edge` repeats the outermost pixels up to it.
    """
    grid = affine_grid(matrices, list(planes.shape), align_corners=False)
    if to_the_edge:
        last = 1 - 1 / planes.shape[-1]
        grid = torch.where(grid.abs() <= 1, grid.clamp(-last, last), grid)
    return grid_sample(planes, grid, align_corners=False)


def _colour(images: Tensor, strength: float, generator: Generator) -> Tensor:
    """Change saturation, contrast and brightness, each by a factor around one.

    Saturation draws a pixel away from its grey, contrast from the image's mean grey, which saturation leaves as it is,
    and brightness from black. All three are linear, so that the pixels are passed once.
    """
    factors = (1 + strength * _uniform((3, len(images), 1, 1, 1), generator)).to(images.device)
    saturation, contrast, brightness = factors
    grey = images.mean(dim=1, keepdim=True)
    middle = grey.mean(dim=(2, 3), keepdim=True)
    added = brightness * (contrast * (1 - saturation) * grey + (1 - contrast) * middle)
    return torch.addcmul(added, images, factors.prod(dim=0)).clamp_(0, 1)


def _uniform(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return 2 * torch.rand(shape, generator=generator) - 1


def _coin(count: int, generator: Generator) -> Tensor:
    return torch.rand(count, generator=generator) < 0.5
