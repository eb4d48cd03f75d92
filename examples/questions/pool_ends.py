"""End a pool that has work left, in each way: what becomes of its tasks?

python pool_ends.py --start-method spawn
"""

import argparse
import concurrent.futures
import multiprocessing
import tempfile
import time
from pathlib import Path

TASKS, WORKERS = 12, 2


def close_and_join(pool):
    """Say that no more tasks come, and wait for those that there are."""
    pool.close()
    pool.join()


POOL = {
    "close(), join()": close_and_join,
    "terminate()": lambda pool: pool.terminate(),
    "end of with": lambda pool: pool.__exit__(None, None, None),
}
EXECUTOR = {
    "shutdown()": lambda pool: pool.shutdown(),
    "end of with": lambda pool: pool.__exit__(None, None, None),
    "cancel_futures": lambda pool: pool.shutdown(cancel_futures=True),
    "terminate_workers()": lambda pool: pool.terminate_workers(),
    "kill_workers()": lambda pool: pool.kill_workers(),
}


def do_task(file):
    """Run in a worker: work a while, then leave a file."""
    time.sleep(0.05)
    file.touch()


def end_pool(context, end, files):
    """End a Pool after its first result, and return what the callers of the others get."""
    pool = context.Pool(WORKERS)
    results = [pool.apply_async(do_task, (file,)) for file in files]
    results[0].wait()
    end(pool)
    pool.join()
    return {"a result" if result.ready() else "no answer, ever" for result in results}


def end_executor(context, end, files):
    """End an executor after its first result, and return what the callers of the others get."""
    executor = concurrent.futures.ProcessPoolExecutor(WORKERS, mp_context=context)
    futures = [executor.submit(do_task, file) for file in files]
    futures[0].result()
    try:
        end(executor)
    finally:  # also in a Python that has no such end
        executor.shutdown(cancel_futures=True)
    return {answer(future) for future in futures}


def answer(future):
    """Return what the caller of a task gets."""
    try:
        future.result()
    except Exception as error:
        return type(error).__name__
    return "a result"


def main(start_method=None):
    """Print what each way does."""
    context = multiprocessing.get_context(start_method)
    print(f"{'':30} tasks done   their callers get")
    for kind, ways in ("Pool", POOL), ("Executor", EXECUTOR):
        for name, end in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                files = [Path(folder, str(number)) for number in range(TASKS)]
                try:
                    answers = (end_pool if kind == "Pool" else end_executor)(
                        context, end, files
                    )
                except AttributeError:
                    print(f"{kind}: {name}: not in this Python; 3.14 and newer have it")
                    continue
                done = sum(file.exists() for file in files)
            print(
                f"{kind + ': ' + name:30} {done:2} of {TASKS}     {', '.join(sorted(answers))}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
