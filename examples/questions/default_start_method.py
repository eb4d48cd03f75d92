"""Ask this Python how it starts workers.

python default_start_method.py
"""

import multiprocessing

if __name__ == "__main__":
    print(f"Default: {multiprocessing.get_start_method()}")
    print(f"All: {', '.join(sorted(multiprocessing.get_all_start_methods()))}")
