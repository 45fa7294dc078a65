from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def is_timed(pytestconfig: pytest.Config) -> bool:
    """Whether times are asserted: with `--benchmark-enable`, on a machine that does nothing else."""
    return bool(pytestconfig.getoption("benchmark_enable"))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread, whose time others on the machine disturb least."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
