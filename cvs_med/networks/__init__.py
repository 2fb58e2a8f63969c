"""Networks: an encoder, a head, and the weights that fill them."""

from cvs_med.networks.network import Network, build_network
from cvs_med.networks.weights import load_weights

__all__ = ["Network", "build_network", "load_weights"]
