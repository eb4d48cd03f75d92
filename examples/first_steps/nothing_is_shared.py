"""Change a list in another process. The list of this process stays as it was.

python nothing_is_shared.py
"""

from multiprocessing import Process

results = []


def work():
    """Run in the worker."""
    results.append(42)
    print("in the worker:", results, flush=True)


if __name__ == "__main__":
    worker = Process(target=work)
    worker.start()
    worker.join()
    print("in the parent:", results)
