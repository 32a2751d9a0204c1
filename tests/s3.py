"""A real S3 server (moto) for tests, reached as a user would reach any other: by environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def s3_server(bucket: str) -> Iterator[str]:
    """Serves an empty bucket while the block runs; gives the address of the bucket."""
    server_module = pytest.importorskip("moto.server")
    from pyarrow.fs import S3FileSystem

    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    patch = pytest.MonkeyPatch()
    try:
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "tester")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        S3FileSystem(
            endpoint_override=f"http://{host}:{port}", allow_bucket_creation=True
        ).create_dir(bucket)
        yield f"s3://{bucket}"
    finally:
        patch.undo()
        server.stop()
