"""peers.py: which channels it measures, and that each carries every byte, in order."""

import multiprocessing
import random
import re
import shutil
import tempfile

import pytest

from examples.channels import peers
from tests.harness import START_METHODS, run, with_start_method

LARGEST = 2**17
# Small and large ones in turn: pyzmq copies small ones and hands over large ones.
LENGTHS = [0, 1, 8, 2**10, 2**16 - 1, 2**16, 2**16 + 1, LARGEST, 3, LARGEST - 5]


def messages():
    """The same random messages each time."""
    source = random.Random(7)
    return [source.randbytes(length) for length in LENGTHS]


def put_all(channel):
    """Run in a process: put each message, and stay until all have been taken."""
    for message in messages():
        channel.put(message)
    channel.put(b"last")
    multiprocessing.parent_process().join()


@with_start_method
@pytest.mark.parametrize(
    "name", ["Pipe() send_bytes", "Queue", "ring of shared_ring.py", "pyzmq"]
)
def test_every_channel_delivers_every_byte_in_order(method, name):
    context = multiprocessing.get_context(method)
    with tempfile.TemporaryDirectory() as folder:  # pytest's names are too long for a socket
        channel = peers.make_channels(context, folder, LARGEST)[name]
        process = context.Process(target=put_all, args=(channel,), daemon=True)
        process.start()
        try:
            got = [bytes(channel.get(length)) for length in LENGTHS]
        finally:
            process.kill()
            process.join()
    assert got == messages()


def test_each_channel_is_measured_with_each_size(tmp_path):
    status, out, err = run(tmp_path, shutil.copy(peers.__file__, tmp_path), "--budget", 0.05)
    assert (status, err) == (0, "")
    assert re.match(
        r"pyzmq [\d.]+, licence BSD-3-Clause\nStart method \w+, rounds: \d+\n", out
    )
    rows = re.findall(r"^(\S.*?) +(\d+ \w+)(?: +[\d,.]+){5}$", out, re.MULTILINE)
    names = ["Pipe() send_bytes", "Queue", "ring of shared_ring.py", "pyzmq"]
    assert rows == [(name, size) for size in list(peers.SIZES)[:-1] for name in names]


@pytest.mark.skipif("fork" not in START_METHODS, reason="only a forked worker has what is set")
def test_a_wrong_message_ends_the_run(monkeypatch):
    get = peers.Ring.get
    monkeypatch.setattr(peers.Ring, "get", lambda ring, size: bytes(len(get(ring, size))))
    with pytest.raises(ChildProcessError, match="consumer ended, exit code 1"):
        peers.main(0.05, "fork", {"8 B": 8})
