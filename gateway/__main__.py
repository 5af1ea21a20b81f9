"""The command line: finds the verb, and turns errors into words and exit codes.

What runs for years loads no other verb: all together they cost 13 MB, and a third more time at each start.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from gateway import logs
from gateway.errors import ConfigError, GatewayError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 = done, 1 = failed, 78 = the configuration must be corrected."""
    given = sys.argv[1:] if argv is None else argv
    arguments = _parser(given[0] if given else "").parse_args(given)
    logs.set_up()
    try:
        verb: Callable[[argparse.Namespace], int] = arguments.verb
        return verb(arguments)
    except GatewayError as error:
        from gateway.terminal import say

        say(str(error), "red")
        return ConfigError.EXIT_STATUS if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        return 130


def _parser(name: str) -> argparse.ArgumentParser:
    """Of this verb alone where it is one that stays, else of all."""
    alone = argparse.ArgumentParser(prog="store-gateway")
    match name:
        case "run":
            from gateway import service

            service.add_verb(alone.add_subparsers())
        case "scanner":
            from gateway import scanner

            scanner.add_verb(alone.add_subparsers())
        case _:
            from gateway import verbs

            return verbs.parser()
    return alone


if __name__ == "__main__":
    sys.exit(main())
