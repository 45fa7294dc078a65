"""A trained decoder: from the outputs that arrived to those that did not."""

from __future__ import annotations

from torch import nn

__all__ = ["build_output_decoder"]


def build_output_decoder(*, queries: int, parities: int, outputs: int) -> nn.Sequential:
    """Build a network from outputs [B, K + R, c], with zeros in place of what is missing, to estimates [B, K, c].

    Its layers are (K + R)c → (K + R)c → Kc → Kc with a ReLU between, as in the published code; the paper's table II has
    (K + R)c → Kc → Kc → Kc. PyTorch's default initialisation draws them from the global random generator.

    Args:
        queries: K.
        parities: R.
        outputs: c, of one query.

    Raises:
        ValueError: If one of them is not at least 1.

    Reference:
        Kosaian, Rashmi and Venkataraman, Learning-based coded computation, JSAIT 2020, section IV-C;
        github.com/Thesys-lab/parity-models at ac5259a, train/coders/mlp.py.
    """
    if not (queries >= 1 and parities >= 1 and outputs >= 1):
        raise ValueError(
            f"`queries`, `parities` and `outputs` must be at least 1, but got {queries}, {parities} and {outputs}."
        )
    read, wanted = (queries + parities) * outputs, queries * outputs
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(read, read),
        nn.ReLU(),
        nn.Linear(read, wanted),
        nn.ReLU(),
        nn.Linear(wanted, wanted),
        nn.Unflatten(1, (queries, outputs)),
    )
