"""Open a connection in the parent and use it in two workers: they get each other's answers.

python shared_connection_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import socket
import socketserver


class Echo(socketserver.BaseRequestHandler):
    """The server's side of one connection, perhaps of a database: it answers in turn."""

    def handle(self):
        """Answer each question with itself."""
        while question := self.request.recv(1):
            self.request.sendall(question)


def serve(addresses):
    """Run in the server: say where it is, and answer."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        addresses.put(server.server_address)
        server.serve_forever()


def ask(number, connection, both_have_asked, results):
    """Run in a worker: ask 100 times, and count the answers to somebody else's question."""
    wrong = 0
    for _ in range(100):
        connection.sendall(bytes([number]))
        both_have_asked.wait()
        wrong += connection.recv(1) != bytes([number])
    results.put((number, wrong))


def main(start_method=None):
    """Return how many wrong answers two workers have got."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    context.Process(target=serve, args=(results,), daemon=True).start()
    address = results.get(timeout=30)
    both_have_asked = context.Barrier(2)
    connection = socket.create_connection(address)
    workers = []
    for number in (1, 2):
        arguments = (number, connection, both_have_asked, results)
        workers.append(context.Process(target=ask, args=arguments, daemon=True))
        workers[-1].start()
    wrong = 0
    for number, count in sorted(results.get(timeout=30) for _ in workers):
        print(f"worker {number}: wrong answers: {count} of 100", flush=True)
        wrong += count
    for worker in workers:
        worker.join()
    print(f"wrong answers: {wrong} of 200", flush=True)
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
