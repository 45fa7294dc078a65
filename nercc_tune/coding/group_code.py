"""A code fitted to each group: its queries ordered, its nodes spaced and its workers assigned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from nercc_tune.coding.assignment import ASSIGNMENTS, worker_positions
from nercc_tune.coding.data import to_tensor
from nercc_tune.coding.linear import LinearCode
from nercc_tune.coding.nodes import FITTED_NODES, NodeSet, chord_length, is_node_kind, node_kinds, node_set
from nercc_tune.coding.ordering import ORDERINGS, Features, group_features, order_queries
from nercc_tune.coding.placed import PlacedCode
from nercc_tune.records import Design


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where the queries of a group and the workers sit.

    Attributes:
        ordering: Which query goes to which α, a name in `ORDERINGS`.
        nodes: Where the α and β lie, a name of `node_kinds()`.
        chord_power: For `chord-length` nodes: 1 chord length, 0.5 centripetal, 0 uniform.
        assignment: Which worker computes at which β, a name in `ASSIGNMENTS`.
        rack: How many consecutive workers may be lost together; `interleaved` needs it.

    Raises:
        ValueError: If a name is unknown, the power lies outside [0, 1], or `interleaved` has no rack of at least 2.
    """

    ordering: str = "arrival"
    nodes: str = "chebyshev"
    chord_power: float = 0.5
    assignment: str = "identity"
    rack: int | None = None

    def __post_init__(self) -> None:
        named = (
            ("ordering", self.ordering, sorted(ORDERINGS), self.ordering in ORDERINGS),
            ("nodes", self.nodes, node_kinds(), is_node_kind(self.nodes)),
            ("assignment", self.assignment, sorted(ASSIGNMENTS), self.assignment in ASSIGNMENTS),
        )
        for name, value, known, is_known in named:
            if not is_known:
                raise ValueError(f"`{name}` must be one of {', '.join(known)}, but got {value!r}.")
        if not 0 <= self.chord_power <= 1:
            raise ValueError(f"`chord_power` must be from 0 to 1, but got {self.chord_power}.")
        if self.assignment == "interleaved" and (self.rack is None or not self.rack >= 2):
            raise ValueError(f"`rack` must be at least 2 for the assignment 'interleaved', but got {self.rack}.")

    @classmethod
    def of(cls, design: Design) -> Placement:
        """Return the placement of a design.

        Raises:
            ValueError: As for the class.
        """
        return cls(
            ordering=design.ordering,
            nodes=design.nodes,
            chord_power=design.chord_power,
            assignment=design.assignment,
            rack=design.rack,
        )


def place(
    placement: Placement, queries: Tensor, *, workers: int, features: Features | None = None
) -> tuple[Tensor, NodeSet]:
    """Return the order of a group's queries and the nodes they and the workers sit at.

    Nodes fitted to the group have the β of `uniform`, and α spaced by the distances between the features of
    consecutive queries.

    Args:
        placement: How to order and to space.
        queries: [K, ...].
        workers: N.
        features: As for `order_queries`.

    Returns:
        As from `order_queries` [K], and the nodes.

    Raises:
        ValueError: As for `order_queries` and `node_set`.
    """
    if placement.nodes not in FITTED_NODES:
        order = order_queries(placement.ordering, queries, features=features)
        return order, node_set(placement.nodes, queries=len(queries), workers=workers)
    described = group_features(queries, features)
    order = order_queries(placement.ordering, queries, features=lambda _: described)
    distances = described[order].diff(dim=0).norm(dim=-1)
    uniform = node_set("uniform", queries=len(queries), workers=workers)
    return order, NodeSet(alpha=chord_length(distances, power=placement.chord_power), beta=uniform.beta)


class GroupCode:
    """A code that is made for each group of queries when they are known.

    Args:
        build: Makes the code on given nodes.
        queries: K.
        workers: N.
        placement: How each group is placed.

    Raises:
        ValueError: If the nodes or the assignment cannot be had for so many queries and workers.

    Example:
        >>> import torch
        >>> from nercc_tune.coding import NerccCode
        >>> code = GroupCode(
        ...     lambda nodes: NerccCode(nodes, lambda_enc=0.0, lambda_dec=0.0),
        ...     queries=4,
        ...     workers=9,
        ...     placement=Placement(ordering="nearest-neighbour", nodes="chord-length"),
        ... )
        >>> queries = torch.tensor([[3.0], [0.0], [2.0], [1.0]])
        >>> on_group = code.on(queries)
        >>> on_group.decode(on_group.encode(queries)[1:], range(1, 9)).round(decimals=3).flatten()
        tensor([3., 0., 2., 1.])
    """

    def __init__(
        self, build: Callable[[NodeSet], LinearCode], *, queries: int, workers: int, placement: Placement
    ) -> None:
        self.queries = queries
        self.workers = workers
        self.placement = placement
        self._build = build
        is_fitted = placement.nodes in FITTED_NODES
        nodes = node_set("uniform" if is_fitted else placement.nodes, queries=queries, workers=workers)
        self.position = worker_positions(placement.assignment, nodes.beta, rack=placement.rack)
        # Nodes that are the same for all groups have matrices worth keeping.
        self._shared = None if is_fitted else build(nodes)

    def on(self, queries: Tensor | NDArray[Any], *, features: Features | None = None) -> PlacedCode:
        """Return the code of one group, which encodes and decodes in the order of the queries given.

        Args:
            queries: [K, ...], a tensor or a NumPy array.
            features: As for `order_queries`.

        Raises:
            ValueError: If there are not K queries, or as for `order_queries`.
        """
        group = to_tensor("queries", queries)
        if group.shape[:1] != (self.queries,):
            raise ValueError(
                f"`queries` must hold {self.queries} queries along axis 0, but got shape {tuple(group.shape)}."
            )
        order, nodes = place(self.placement, group, workers=self.workers, features=features)
        inner = self._build(nodes) if self._shared is None else self._shared
        return PlacedCode(inner, order=order, position=self.position)
