"""An ensemble as a function of tensors alone, for what runs it without this package's own loop."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from cvs_med.augmentation import flips
from cvs_med.networks import Network, abreast
from cvs_med.networks.fine import FineDecoder
from cvs_med.networks.heads import CvsHead
from cvs_med.prediction.ensemble import Ensemble, decide, pooled, run, seen_by


class Together(nn.Module):
    """An ensemble as a function of tensors alone: its mirrored views, its networks, and their common answer."""

    def __init__(self, ensemble: Ensemble, heads: abreast.Way = abreast.outputs) -> None:
        """Take the networks over; `heads` is how those of a frozen encoder answer."""
        super().__init__()
        self.heads = heads
        self.networks = nn.ModuleList(ensemble.networks)
        self.views, self.level = flips(ensemble.protocol.augmentation), ensemble.protocol.probe.level
        self.plain = ensemble.recipe.plain

    def forward(self, images: Tensor, inside: Tensor) -> tuple[Tensor, ...]:
        """Answer for images (B, 3 or more, S, S), see `Recipe.planes`, 0 to 1, and their field of view (B, S, S).

        Returns:
            What `names` says, 32-bit floats: probabilities (B, P), those of each network (B, K, P), what the gates look
            at (B, 2 C); with a map its probabilities (B, P + 1, S, S); with evidence the shares (B, P, S, S) and the
            scores (B, P) that they sum to; with a finer scale the foreground's probability there (B, k S, k S).
        """
        networks = cast(Sequence[Network], self.networks)
        looked = torch.cat([seen_by(view, images, self.plain) for view in self.views])
        seen = torch.cat([view.apply(inside) for view in self.views])
        outputs, features = run(networks, looked, seen, self.heads)
        answer, members = decide(networks, outputs, self.views, seen)
        count = images.shape[0]  # Not len(), which would make it a number.
        plain = {level: feature[:count] for level, feature in features.items()}
        found = [answer.probabilities, members, pooled(plain, inside, self.level)]
        found += [] if answer.map is None else [answer.map.pixels]
        found += [] if answer.evidence is None else [answer.evidence.shares, answer.evidence.scores]
        found += [] if answer.map is None or answer.map.finest is None else [answer.map.finest]
        return tuple(tensor.float() for tensor in found)

    @property
    def names(self) -> list[str]:
        """Name what `forward` returns."""
        head = self.networks[0].head
        has_evidence = isinstance(head, CvsHead)
        has_map = ["map"] if has_evidence or hasattr(head, "decoder") else []
        is_fine = isinstance(head, CvsHead) and isinstance(head.decoder, FineDecoder)
        more = [*(["evidence", "scores"] if has_evidence else []), *(["finest"] if is_fine else [])]
        return ["probabilities", "members", "pooled", *has_map, *more]
