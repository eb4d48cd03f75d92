"""Start two workers, and see which processes import this file.

python who_imports.py --start-method forkserver --preload decimal
"""

import argparse
import multiprocessing


def who_we_are():
    """Return which process this is, as far as it can be told while the file is imported."""
    if __name__ == "__main__":
        return "parent"
    name = multiprocessing.current_process().name
    return "fork server" if name == "MainProcess" else name


print(f"{who_we_are()}: imports this file", flush=True)


def work():
    """Run in a worker."""
    print(f"{multiprocessing.current_process().name}: works", flush=True)


def main(start_method=None, preload=()):
    """Start two workers, one after the other."""
    context = multiprocessing.get_context(start_method)
    if preload:
        context.set_forkserver_preload(list(preload))
    for number in (1, 2):
        worker = context.Process(target=work, name=f"worker {number}")
        worker.start()
        worker.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    parser.add_argument("--preload", nargs="*", default=[], help="what the server imports")
    args = parser.parse_args()
    main(args.start_method, args.preload)
