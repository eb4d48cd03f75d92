"""Measure how fast large messages come out of a Pipe.

python large_messages.py --rounds 3
"""

import argparse
import multiprocessing
import statistics
import time

SIZE, MESSAGES = 16 * 2**20, 4


def send(sender):
    """Run in the producer: send messages of one size."""
    data = bytes(SIZE)
    for _ in range(MESSAGES + 1):
        sender.send_bytes(data)


def main(rounds=3):
    """Receive the messages in several rounds; the clock starts after the first one."""
    rates = []
    for _ in range(rounds):
        receiver, sender = multiprocessing.Pipe()
        producer = multiprocessing.Process(target=send, args=(sender,), daemon=True)
        producer.start()
        sender.close()
        receiver.recv_bytes()
        started = time.perf_counter()
        for _ in range(MESSAGES):
            receiver.recv_bytes()
        rates.append(MESSAGES * SIZE / 2**20 / (time.perf_counter() - started))
        producer.join()
    print(f"Message: {SIZE // 2**20} MiB")
    print(f"Median: {statistics.median(rates):,.0f} MiB/s")
    print(f"From: {min(rates):,.0f} to {max(rates):,.0f} MiB/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3, help="1 or more")
    main(max(1, parser.parse_args().rounds))
