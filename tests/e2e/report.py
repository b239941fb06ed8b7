"""Compares reports of the same objects read in two ways.

A cluster has no files: what differs by that is `input` (what was read, as typed), of each finding, step, related place and proxy
`file`, `line` and `column` (in messages as FILE:LINE), and the order of findings, which goes by file. Nothing else is left out.
"""

import json
import re

PLACE = {"file", "line", "column"}
# Where a place may stand; a key `file` anywhere else is content.
PLACED = {"findings", "because", "related", "edits", "proxies"}


def normal(report):
    """The report without places, which must be in it."""
    assert report.get("schema", "").startswith("meshctl."), f"no report: {str(report)[:200]}"
    assert report.get("input"), "the report does not say what was read"
    files = sorted(files_of(report, False), key=len, reverse=True)
    in_words = re.compile("(?:" + "|".join(map(re.escape, files)) + r")(?::\d+)?") if files else None
    found = {key: without_places(value, key in PLACED, in_words) for key, value in report.items() if key != "input"}
    if "findings" in found:
        found["findings"].sort(key=lambda finding: json.dumps(finding, sort_keys=True))
    return found


def files_of(value, placed):
    """The files that places of a report name."""
    if isinstance(value, list):
        return set().union(*(files_of(one, placed) for one in value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*(files_of(one, key in PLACED) for key, one in value.items()))
    if placed and isinstance(value.get("file"), str):
        found.add(value["file"])
    return found


def without_places(value, placed, in_words):
    if isinstance(value, list):
        return [without_places(one, placed, in_words) for one in value]
    if isinstance(value, dict):
        kept = {key: one for key, one in value.items() if not (placed and key in PLACE)}
        return {key: without_places(one, key in PLACED, in_words) for key, one in kept.items()}
    if isinstance(value, str) and in_words:
        return in_words.sub("PLACE", value)
    return value


def differences(a, b, path="", most=8):
    """Paths at which two values differ, with both."""
    if type(a) is not type(b):
        return [f"{path}: {short(a)} and {short(b)}"]
    found = []
    if isinstance(a, dict):
        for key in sorted(a.keys() | b.keys()):
            if key not in a or key not in b:
                found.append(f"{path}.{key}: only in the {'second' if key in b else 'first'}: {short(a.get(key, b.get(key)))}")
            else:
                found += differences(a[key], b[key], f"{path}.{key}", most - len(found))
            if len(found) >= most:
                break
    elif isinstance(a, list):
        if len(a) != len(b):
            found.append(f"{path}: {len(a)} and {len(b)} of them")
        for index, (one, other) in enumerate(zip(a, b)):
            if len(found) >= most:
                break
            found += differences(one, other, f"{path}[{index}]", most - len(found))
    elif a != b:
        at = next((at for at, (one, other) in enumerate(zip(str(a), str(b))) if one != other), 0) if isinstance(a, str) else 0
        begin = max(0, at - 60)
        found.append(f"{path}: {short(a[begin:])} and {short(b[begin:])}" if at else f"{path}: {short(a)} and {short(b)}")
    return found[:most]


def short(value):
    text = repr(value)
    return text if len(text) <= 400 else text[:400] + "..."


def same(a, b):
    """Fails, with the places, unless two reports say the same."""
    found = differences(normal(a), normal(b))
    assert not found, "the reports differ: " + "; ".join(found)
