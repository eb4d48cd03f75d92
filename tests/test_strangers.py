"""The two programs that listen on the network: strangers, and their end."""

import contextlib
import re
import socket
import sys

import pytest

from tests.harness import RunningProgram, copy_of_program, run

METHOD = "spawn" if sys.platform == "win32" else "fork"
NAMES = ["listener_client", "manager_queue"]
with_program = pytest.mark.parametrize("name", NAMES)

SILENT = """
import multiprocessing.connection, multiprocessing.managers, socket, sys, threading
import {name} as program

strangers, addresses = [], []

class Listener(multiprocessing.connection.Listener):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        addresses.append(self.address)
        for _ in range(15):  # before anybody else
            strangers.append(socket.create_connection(self.address))

if __name__ == "__main__":
    program.Listener = Listener
    clients = multiprocessing.managers.listener_client
    clients["pickle"] = Listener, clients["pickle"][1]
    program.main(2, 10, {method!r})
    print("threads:", threading.active_count())
"""


def script_in(folder, text):
    script = folder / "script.py"
    script.write_text(text)
    return script


@with_program
def test_strangers_who_say_nothing_stop_nobody(tmp_path, name):
    copy_of_program(tmp_path, f"beyond/{name}.py")
    script = script_in(tmp_path, SILENT.format(name=name, method=METHOD))
    status, out, err = run(tmp_path, script)
    assert (status, err) == (0, "")
    assert out.endswith("\nTotal: 50\nthreads: 1\n")


def test_who_says_nothing_is_shown_the_door(tmp_path):
    """A stranger's connection is closed after PATIENCE, while the program goes on."""
    copy_of_program(tmp_path, "beyond/listener_client.py")
    text = (
        "import sys, listener_client\n"
        "listener_client.PATIENCE = 0.3\n"
        f"listener_client.main(1, 10**12, {METHOD!r})\n"
    )
    with RunningProgram(tmp_path, script_in(tmp_path, guarded(text))) as started:
        port = port_of(started)
        with socket.create_connection(("127.0.0.1", port), timeout=60) as stranger:
            said = b""
            while piece := stranger.recv(1000):  # a challenge; then it hangs up
                said += piece
        assert b"#CHALLENGE#" in said
        assert started.process.poll() is None


def guarded(text):
    head, *body = text.splitlines()
    return "\n".join([head, 'if __name__ == "__main__":', *(f"    {line}" for line in body)])


def port_of(started):
    for line in started.process.stdout:
        if found := re.match(r"Listening on \S+:(\d+)$", line):
            return int(found[1])
    return None


@with_program
def test_nothing_is_open_after_main(tmp_path, name):
    copy_of_program(tmp_path, f"beyond/{name}.py")
    text = f"""
import contextlib, io, re, socket, sys, threading
import {name} as program
if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()) as out:
        program.main(2, 10, {METHOD!r})
    port = int(re.search(r"Listening on 127.0.0.1:(\\d+)", out.getvalue())[1])
    with socket.socket() as caller:
        print(caller.connect_ex(("127.0.0.1", port)) != 0, threading.active_count())
"""
    assert run(tmp_path, script_in(tmp_path, text)) == (0, "True 1\n", "")


@with_program
def test_an_address_that_is_taken(tmp_path, name):
    file = copy_of_program(tmp_path, f"beyond/{name}.py")
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        status, _, err = run(tmp_path, file, "--listen", f"127.0.0.1:{port}")
    assert status == 1
    assert re.fullmatch(r"\[Errno \d+\] Address already in use.*\n", err)
