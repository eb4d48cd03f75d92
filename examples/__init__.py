"""The programs that the pages show: each file is one complete script that runs on its own."""
