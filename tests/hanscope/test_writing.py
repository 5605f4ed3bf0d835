"""Files that are there whole or not at all."""

import os
import resource
import stat
import threading

import pytest

from hanscope.writing import write_atomically, written_atomically


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    target = tmp_path / "image.ota"
    target.write_bytes(b"before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_atomically(target, b"after")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"before"


def test_files_have_the_usual_mode(tmp_path):
    write_atomically(tmp_path / "a", b"")
    (tmp_path / "b").touch()
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)


def test_what_is_private_is_for_its_owner_alone(tmp_path):
    with written_atomically(tmp_path / "keys", private=True) as file:
        file.write(b"secret")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    read = []
    reader.start()
    write_atomically(pipe, b"octets")
    reader.join()
    assert read == [b"octets"]
    assert pipe.is_fifo()
