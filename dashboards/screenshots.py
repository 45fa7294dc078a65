"""Takes the README's screenshots of MLflow and of the λ explorer, from a home with a finished study.

    uv run python dashboards/screenshots.py STUDY --home nercc-home --data-dir data

Needs Chromium and the development packages.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from nercc_tune.dashboard import Dashboard
from nercc_tune.home import Home

_FOLDER = Path(__file__).with_name("screenshots")
_WIDTH, _HEIGHT = 1500, 1250
_NARROW = 1250  # MLflow has its assistant closed
_SCALE = 0.6
_COLOURS = 256  # of a picture, which makes it a third as large
_PATIENCE_MS = 120_000
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def main() -> None:
    """Serve a home and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("study")
    parser.add_argument("--home", type=Path, default=Path("nercc-home"))
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--port", type=int, default=5400)
    parser.add_argument("--service", help="address of a service that runs and is asked, for its picture")
    given = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not installed")
    home = Home(given.home, given.data_dir)
    dashboard = Dashboard(home=home, storage=home.storage_url, tracking=home.tracking_url, port=given.port)
    expect.set_options(timeout=_PATIENCE_MS)
    with dashboard.running() as (links, _), sync_playwright() as driver:
        page = driver.chromium.launch(executable_path=chromium, args=list(_ARGUMENTS)).new_page(
            viewport={"width": _WIDTH, "height": _HEIGHT}
        )
        page.set_default_timeout(_PATIENCE_MS)
        for name, show in {"landscape": _landscape, "coded-queries": _coded_queries, "overview": _overview}.items():
            page.goto(f"{links.explorer}/{name}?study={given.study}")
            show(page)
            _write(page, f"explorer-{name}")
        if given.service:
            page.goto(f"{links.explorer}/?page=service&service={given.service}")
            _service(page)
            _write(page, "explorer-service")
            page.goto(f"{links.explorer}/overview?study={given.study}")
            _overview(page)
        address = page.get_by_role("link", name="Trials by").get_attribute("href")
        page.set_viewport_size({"width": _NARROW, "height": _HEIGHT})
        page.goto(str(address))
        _mlflow(page)
        _write(page, "mlflow-trials")


def _settle(page: Page, heading: str) -> None:
    expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_timeout(2000)  # until the figures have been drawn


def _landscape(page: Page) -> None:
    _settle(page, "Landscape")


def _coded_queries(page: Page) -> None:
    _settle(page, "Coded queries")
    page.get_by_role("button", name="A burst of").click()
    _settle(page, "Coded queries")


def _overview(page: Page) -> None:
    _settle(page, "Studies")


def _service(page: Page) -> None:
    expect(page.get_by_role("region", name="Workers")).to_be_visible()
    expect(page.locator(".st-key-live-latency-both .scatterlayer .point:visible").first).to_be_visible()
    page.wait_for_timeout(4000)  # until all figures have been drawn


def _mlflow(page: Page) -> None:
    expect(page.get_by_text("lambda_enc").first).to_be_visible()
    page.wait_for_timeout(2000)


def _write(page: Page, name: str) -> None:
    """Write what is to be seen, in few colours."""
    whole = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shown = whole.resize((round(_SCALE * whole.width), round(_SCALE * whole.height)), Image.Resampling.LANCZOS)
    path = _FOLDER / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    shown.quantize(_COLOURS).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
