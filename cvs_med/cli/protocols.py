"""Which protocol a data set has, where none is asked for."""

from cvs_med.errors import ProtocolError
from cvs_med.protocol import catalogue


def usual(dataset: str) -> str:
    """Take the data set's protocol, else that of the paper which needs no pretrained weights.

    Raises:
        ProtocolError: there is neither.
    """
    names = [name for name in (dataset, f"paper/{dataset}-wideresnet") if name in catalogue()]
    if not names:
        raise ProtocolError(f"Expected --protocol with --dataset {dataset}, which has none of its own. Name a file.")
    return names[0]
