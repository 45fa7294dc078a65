from __future__ import annotations

from pathlib import Path

from nercc_tune.home import Home
from nercc_tune.service.announcement import announced, read_announcement


def test_a_service_is_found_while_it_runs(tmp_path: Path) -> None:
    file = Home(tmp_path / "home").service
    assert read_announcement(file) is None
    with announced("http://127.0.0.1:8123", file):
        assert read_announcement(file) == "http://127.0.0.1:8123"
    assert not file.exists()


def test_the_later_of_two_is_found_and_not_silenced_by_the_earlier(tmp_path: Path) -> None:
    file = tmp_path / "service.json"
    with announced("http://127.0.0.1:2", file):
        with announced("http://127.0.0.1:1", file):
            file.write_text('{"url": "http://127.0.0.1:3"}', encoding="utf-8")
        assert read_announcement(file) == "http://127.0.0.1:3"


def test_a_file_that_says_something_else_announces_nobody(tmp_path: Path) -> None:
    file = tmp_path / "service.json"
    for content in ("", "[]", '{"url": 3}', '{"url": "http://127.0.0.1:1", "more": 1}'):
        file.write_text(content, encoding="utf-8")
        assert read_announcement(file) is None
