"""Reads the documents that --json writes: `summary.py plan FILE`, `within MOST FILE`, `outcome FILE`."""

import json
import sys
from pathlib import Path


def main(what: str, *rest: str) -> int:
    document = json.loads(Path(rest[-1]).read_text("utf-8"))
    fleets = document["fleets"]
    if what == "within":
        return int(sum(fleet["replace"] + fleet["destroy"] for fleet in fleets.values()) > int(rest[0]))
    if what == "plan":
        minutes = document["forecast"]["duration_s"] / 60
        for name, fleet in fleets.items():
            print(f"{name}: {fleet['create']} new, {fleet['replace']} replaced, {fleet['destroy']} ended")
        print(f"takes about {minutes:.1f} minutes")
    else:
        for name, fleet in fleets.items():
            print(f"{name}: {fleet['ready']} ready")
        for error in document["errors"]:
            print(f"{error['code']} ({error['scope']}): {error['message']}")
        print(document["outcome"])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
