"""An address where no Ray cluster is, is refused before Ray waits for it."""

from __future__ import annotations

import socket

import pytest

from vcbench.base.errors import UserError
from vcbench.base.ray_engine import RayEngine, _answering


def test_where_nothing_listens_is_said() -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'vcbench[ray]'")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(UserError, match=rf"No Ray cluster answers at {address}.*--address"):
        RayEngine(address, threads=1).slots  # noqa: B018


def test_an_unknown_machine_is_said() -> None:
    with pytest.raises(OSError, match=r"not known|resolution"):
        _answering("no-such-machine.invalid:6379")


def test_a_name_becomes_the_number_that_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert _answering(f"localhost:{port}") == f"127.0.0.1:{port}"


@pytest.mark.parametrize("address", ["", "auto", "ray://head:10001"])
def test_other_addresses_are_rays_own(address: str) -> None:
    assert _answering(address) == address
