"""The program's first lines. All else takes a second to load, five on a small box, and Ctrl-C counts from here on."""

INTERRUPTED = 130  # as a shell says it: 128 and the number of SIGINT


def main() -> int:
    """`store-gateway ...`; its exit status."""
    try:
        from gateway.__main__ import main as run

        return run()
    except KeyboardInterrupt:
        return INTERRUPTED
