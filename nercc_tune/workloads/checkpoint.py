"""Checkpoints as people have them: weights under other names, and beside other things."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from nercc_tune.errors import WorkloadError
from nercc_tune.text.one_line import one_line

__all__ = ["Checkpoint", "find_weights", "is_counter"]

# Where training scripts put weights, the likeliest first; averaged weights are what is meant to be served.
_AVERAGED = re.compile(r"(^|_)(ema|swa)(_|$)", re.IGNORECASE)
_PLAIN = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "params", "weights")
_NO_MODEL = re.compile(r"optim|sched|scaler|callback|loops|rng|random", re.IGNORECASE)
_DEEPEST = 4
_MOST_TOLD = 3

# Parts of names that wrappers add: DataParallel and its kin, torch.compile, FSDP.
_WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """Named weights, and what was done to find them.

    Attributes:
        source: The file, for messages.
        notes: What was done, in a few words each.
    """

    source: str
    weights: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()

    @property
    def told(self) -> str | None:
        """What was done in one line, or None where nothing was."""
        return f"checkpoint {self.source}: {'; '.join(self.notes)}" if self.notes else None

    def fitted(self, own: Collection[str]) -> Checkpoint:
        """Return the weights under the names of a model: without what wrappers put before them.

        Of what is left a whole model may begin anywhere (`model.`, `backbone.`); what lies beside it is left out. Where
        no part has all names, the one that has most of them is returned, to be refused.

        Raises:
            WorkloadError: Several parts have all names, and none is an average.
        """
        needed = {name for name in own if not is_counter(name)}
        if needed <= self.weights.keys():
            return self
        wrapped = [part for part in _WRAPPERS if not any(part in name.split(".") for name in own)]
        cleaned = {".".join(p for p in name.split(".") if p not in wrapped): name for name in self.weights}
        if len(cleaned) < len(self.weights):
            raise WorkloadError(
                f"`checkpoint` must hold one model, but {self.source} holds it more than once, with and without "
                f"{_list([f'{part}.' for part in wrapped])}; save one of them alone."
            )
        prefix = self._prefix(cleaned, needed)
        weights = {
            name.removeprefix(prefix): self.weights[old] for name, old in cleaned.items() if name.startswith(prefix)
        }
        removed = [part for part in wrapped if any(part in name.split(".") for name in self.weights)]
        without = [f"`{one_line(part)}`" for part in (*(f"{part}." for part in removed), prefix) if part]
        notes = [f"took the names without {' and '.join(without)}"] if without else []
        beside = [old for name, old in cleaned.items() if not name.startswith(prefix)]
        if beside:
            notes.append(f"left out {len(beside)} weights of something else ({_list(beside)})")
        return replace(self, weights=weights, notes=(*self.notes, *notes))

    def _prefix(self, names: Collection[str], needed: Collection[str]) -> str:
        counts = Counter(prefix for name in names for prefix, rest in _splits(name) if rest in needed)
        whole = sorted(prefix for prefix, count in counts.items() if count == len(needed))
        averaged = [prefix for prefix in whole if any(map(_AVERAGED.search, prefix.split(".")))]
        choices = [""] if "" in whole else averaged or whole
        if len(choices) > 1:
            raise WorkloadError(
                f"`checkpoint` must hold one model, but {self.source} holds it more than once, under "
                f"{_list(choices)}; save one of them alone."
            )
        return (choices or [prefix for prefix, _ in counts.most_common(1)] or [""])[0]


def is_counter(name: str) -> bool:
    """Whether a name is that of a counter, of batches or of averages, which decides nothing and may be missing."""
    return name.rpartition(".")[2] in ("num_batches_tracked", "n_averaged")


def find_weights(loaded: object, *, source: str, skipped: Collection[str] = ()) -> Checkpoint:
    """Find the named tensors in what a file holds: on their own, or under names as training scripts use them.

    Of averaged weights (`state_dict_ema`, `ema` …) and others beside them the averaged ones are taken, as timm does.

    Args:
        loaded: What the file holds.
        source: The file, for messages.
        skipped: Classes of objects that were not read.

    Raises:
        WorkloadError: There are none, or those of several models.
    """
    found = dict(_leaves(loaded))
    if not found:
        told = (
            f"; of the objects in it (`{one_line(next(iter(skipped)))}` …) save the `state_dict()`" if skipped else ""
        )
        raise WorkloadError(f"`checkpoint` must hold named tensors, but {source} does not{told}.")
    ranks = {place: _rank(place) for place in found}
    best = min(ranks.values())
    places = [place for place, rank in ranks.items() if rank == best]
    if len(places) > 1:
        told = _list([".".join(place) for place in places])
        raise WorkloadError(
            f"`checkpoint` must hold one model, but {source} holds weights under {told}; save one of them alone."
        )
    others = [".".join(place) for place in found if place != places[0] and ranks[place] < _LAST]
    return Checkpoint(
        source=source,
        weights=(
            weights := {str(name): value for name, value in found[places[0]].items() if isinstance(value, Tensor)}
        ),
        notes=tuple(_describe(places[0], others, [str(n) for n in found[places[0]] if n not in weights], skipped)),
    )


_LAST = (2, 0)


def _rank(place: tuple[str, ...]) -> tuple[int, int]:
    known = [_PLAIN.index(name) for name in place if name in _PLAIN]
    order = known[0] if known else len(_PLAIN)
    if any(map(_AVERAGED.search, place)):
        return 0, 0 if "state_dict_ema" in place else 1 + order
    return (1, order) if known or not place else _LAST


def _leaves(tree: object, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mapping[object, object]]]:
    """Yield the mappings that name tensors, with their places; those above others must be more."""
    if not isinstance(tree, Mapping) or not all(isinstance(name, str) for name in tree) or len(place) > _DEEPEST:
        return
    branches = [(str(name), branch) for name, branch in tree.items() if not _NO_MODEL.search(str(name))]
    deeper = [leaf for name, branch in branches for leaf in _leaves(branch, (*place, name))]
    yield from deeper
    count = _count(tree)
    if count and all(count > _count(leaf) for _, leaf in deeper):  # a figure beside the weights is a tensor, too
        yield place, tree


def _count(tree: Mapping[object, object]) -> int:
    return sum(isinstance(value, Tensor) for value in tree.values())


def _describe(
    place: tuple[str, ...], others: Collection[str], dropped: Collection[str], skipped: Collection[str]
) -> Iterator[str]:
    if place:
        yield f"took `{one_line('.'.join(place))}`" + (f", not {_list(others)}" if others else "")
    if dropped:
        yield f"left out {_list(dropped)}, which are no tensors"
    if skipped:
        yield f"left out objects of {_list(skipped)}"


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """Yield a name in two, at its start and after each dot."""
    yield "", name
    for at, letter in enumerate(name):
        if letter == ".":
            yield name[: at + 1], name[at + 1 :]


def _list(names: Collection[str]) -> str:
    told = [f"`{one_line(name)}`" for name in list(names)[:_MOST_TOLD]]
    return ", ".join([*told, *(["…"] if len(names) > _MOST_TOLD else [])])
