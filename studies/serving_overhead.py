"""What the front of a service adds to a bare call of Ray Serve where no worker is slow, and how long a start takes.

`uv run python studies/serving_overhead.py TABLE --data-dir data` serves a table's policy on this machine, and beside
it, on the same Ray Serve, a deployment of one replica that runs the same model on what it reads. Both are asked by
HTTP, the same query as `.npy` bytes, in turns: by one client, whose group is padded after `--max-wait`, and by K
clients at once, which fill a group. Then the same workers are served as plain ones. That is what the front itself
adds: a query costs one task there, and all N for a group of the policy, which on one machine take each other's time. It
prints medians, and the p99, in milliseconds.
"""

from __future__ import annotations

import importlib
import io
import time
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from starlette.requests import Request

from nercc_tune.home import Home
from nercc_tune.hosting.choosing import choose_scheme, choose_settings
from nercc_tune.hosting.host import hosting
from nercc_tune.hosting.offering import Offering, settings_of_table
from nercc_tune.hosting.sources import TableSource
from nercc_tune.service.packed_network import pack_network, unpack_network
from nercc_tune.spec.settings import ResourceSettings

_WARM_UP = 30
_KIND = {"Content-Type": "application/x-npy"}


class Bare:
    """Answers with what the model says, and nothing else."""

    def __init__(self, packed: bytes) -> None:
        torch.set_num_threads(1)
        self._model = unpack_network(packed)

    async def __call__(self, request: Request) -> dict[str, int]:
        """Answer one query."""
        query = torch.from_numpy(np.load(io.BytesIO(await request.body()), allow_pickle=False))
        with torch.inference_mode():
            return {"label": int(self._model(query[None])[0].argmax())}


def ask(url: str, body: bytes) -> float:
    """Return the seconds that an answer took."""
    began = time.perf_counter()
    with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=_KIND), timeout=60) as answer:  # noqa: S310 - loopback
        answer.read()
    return time.perf_counter() - began


def measure(urls: Mapping[str, str], body: bytes, *, clients: Sequence[int], repeats: int) -> None:
    """Ask all URLs in turns, and print how long they take."""
    for count in clients:
        times: dict[str, list[float]] = {name: [] for name in urls}
        with ThreadPoolExecutor(count) as pool:
            for turn in range(_WARM_UP + repeats):
                for name, url in urls.items():
                    taken = list(pool.map(lambda _, url=url: ask(url, body), range(count)))
                    times[name] += taken if turn >= _WARM_UP else []
        for name, taken in times.items():
            median, late = np.quantile(taken, (0.5, 0.99)) * 1e3
            print(f"{count} at once, {name:6}: median {median:.1f} ms, p99 {late:.1f} ms")


def main(
    table: Path,
    *,
    data_dir: Annotated[Path | None, typer.Option("--data-dir")] = None,
    home: Path = Path("nercc-home"),
    max_wait: Annotated[float, typer.Option("--max-wait")] = 0.01,
    repeats: int = 300,
    port: int = 8000,
) -> None:
    """Measure, and print."""
    began, place, source = time.perf_counter(), Home(home, data_dir), TableSource(path=table)
    found = source.read()
    workload = settings_of_table(found.served.table, model=None, checkpoint=None)
    offering = Offering.load(workload, choose_scheme("coded", max_wait_s=max_wait), home=place)
    offer = offering.offer(found)
    settings = choose_settings(
        offer.scheme, ResourceSettings(), device="cpu", slowness=None, address="local", port=port
    )
    body = offering.save_example(place.root / "serving").read_bytes()
    with hosting(offer, settings) as host:
        print(f"up after {time.perf_counter() - began:.1f} s: {offer.about['rule']}")
        serve: Any = importlib.import_module("ray.serve")
        bare = serve.deployment(Bare, num_replicas=1, max_ongoing_requests=100, ray_actor_options={"num_cpus": 0})
        serve.run(bare.bind(pack_network(offering.workload.model)), name="bare", route_prefix="/bare")
        urls = {"bare": f"{host.url}/bare", "served": f"{host.url}/predict"}
        measure(urls, body, clients=(1, offer.scheme.queries), repeats=repeats)
        plain = Offering(workload=offering.workload, settings=choose_scheme("equal-resources"))
        host.replace(plain.offer(found))
        print("equal resources")
        measure(urls, body, clients=(1, offer.scheme.queries), repeats=repeats)
        serve.delete("bare")


if __name__ == "__main__":
    typer.run(main)
