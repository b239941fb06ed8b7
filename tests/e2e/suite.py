"""Runs checks one after the other: a line and a time for each, a summary, an exit code."""

import time
import traceback


class Skip(Exception):
    """A check that cannot be made here, and why."""


class Suite:
    """Results of checks; after `limit` seconds the rest is skipped, visibly."""

    def __init__(self, only, limit):
        self.only, self.limit = only, limit
        self.begin = time.monotonic()
        self.passed, self.failed, self.skipped = 0, [], []

    def seconds(self):
        return time.monotonic() - self.begin

    def check(self, name, function, *arguments):
        """Runs one check. What it returns is shown beside its name; it fails by raising."""
        if self.only and not any(word in name for word in self.only):
            return
        begin = time.monotonic()
        detail, word = "", "ok"
        try:
            if self.seconds() > self.limit:
                raise Skip(f"the {self.limit} s for the suite are over")
            detail = function(*arguments) or ""
            self.passed += 1
        except Skip as why:
            word, detail = "skip", f"skipped because {why}"
            self.skipped.append(name)
        except Exception as error:  # any: one check that breaks must not hide the others
            word = "FAIL"
            plain = isinstance(error, AssertionError)
            detail = str(error) if plain else traceback.format_exc(limit=-3)
            self.failed.append(name)
        detail = f": {detail}" if detail else ""
        print(f"{word:4} {name} ({time.monotonic() - begin:.1f} s){detail}", flush=True)

    def finish(self):
        """Prints the summary; the exit code."""
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        print(f"e2e: {self.passed} passed, {len(self.failed)} failed{skipped}, in {self.seconds():.0f} s", flush=True)
        for name in self.failed:
            print(f"e2e: failed: {name}")
        return 1 if self.failed or not self.passed else 0


def equal(got, want, what=""):
    """Fails unless both are equal."""
    assert got == want, f"{what + ': ' if what else ''}got {got!r}, want {want!r}"


def has(text, *parts):
    """Fails unless the text has all parts."""
    for part in parts:
        assert part in text, f"{part!r} is not in {text[:2000]!r}"
