from __future__ import annotations

import json

import pytest

from nercc_tune.dashboard.running_service import host_of, is_loopback, read_service
from nercc_tune.errors import ServiceError
from nercc_tune.records import to_json
from tests.service.served_status import serving_status, status_body
from tests.service.statuses import service_status
from tests.services.postgres import free_port


def test_a_service_is_read_as_it_says() -> None:
    status = service_status()
    with serving_status(status_body(status, study="digits")) as server:
        running = read_service(f" {server.url}/ ")
    assert running.status == status
    assert running.about == {"study": "digits"}
    assert server.asked == ["/status"]


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with serving_status(status_body(service_status())) as server:
        assert read_service(server.url).status.scheme == "coded"


def test_where_nobody_listens_that_is_said() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ServiceError, match=rf"^no service answers at {url} \(Connection refused\)\.$"):
        read_service(url)


def test_an_answer_leads_to_no_other_host() -> None:
    with serving_status(status_body(service_status())) as other, serving_status(b"") as server:
        server.status, server.headers = 302, {"Location": f"{other.url}/status"}
        with pytest.raises(ServiceError, match="answers /status with 302"):
            read_service(server.url)
    assert not other.asked


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"about": {}}',
        b'{"about": 3, "status": {}}',
        b"[" * 100_000,
        json.dumps({"about": {}, "status": {**to_json(service_status(recent=1)), "waiting": "many"}}).encode(),
        json.dumps({"about": {}, "status": {**to_json(service_status(recent=1)), "more": 1}}).encode(),
    ],
)
def test_something_else_is_told_from_a_service(body: bytes) -> None:
    with serving_status(body) as server, pytest.raises(ServiceError, match="is no service of this version"):
        read_service(server.url)


def test_more_than_a_status_can_be_is_not_read() -> None:
    with serving_status(b" " * (2**24 + 1)) as server, pytest.raises(ServiceError, match="is no service"):
        read_service(server.url)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "file:///etc/passwd", "http://", "http://[::1", "http://h:99999"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ServiceError, match="is no address of a service"):
        read_service(url)


def test_a_name_in_an_address_is_not_taken_for_its_host() -> None:
    with pytest.raises(ServiceError, match="is no address of a service"):
        host_of("http://127.0.0.1@example.org/")


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        *((name, True) for name in ("127.0.0.1", "127.8.0.1", "::1", "LOCALHOST")),
        *((name, False) for name in ("0.0.0.0", "10.0.0.1", "localhost.example.org", "2130706433")),  # noqa: S104 - it is compared with
    ],
)
def test_this_machine_is_told_from_others(host: str, is_here: bool) -> None:
    assert is_loopback(host) is is_here
