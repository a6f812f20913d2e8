"""Which entries of two lists are the same ones, in order: a longest common subsequence. Pure.

difflib looks for long blocks first, which may tear apart what belongs together ("no no, no no no"); Myers' algorithm
finds a longest match, so a list with gaps is always found whole in the full one. It is quick where the lists mostly
agree, as two accounts of the same speech do; where they do not, difflib's answer is good enough.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher

MAX_EDITS = 1000


def matches(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of indices (of `ours`, of `theirs`), both rising."""
    head = 0
    while head < min(len(ours), len(theirs)) and ours[head] == theirs[head]:
        head += 1
    found = [(index, index) for index in range(head)]
    ours, theirs = ours[head:], theirs[head:]
    steps = _edits(ours, theirs)
    rest = _walked_back(steps, ours, theirs) if steps is not None else _by_blocks(ours, theirs)
    return found + [(a + head, b + head) for a, b in rest]


def _edits(ours: Sequence[str], theirs: Sequence[str]) -> list[dict[int, int]] | None:
    """Myers: for each number of edits, how far into `ours` each diagonal got. None if it takes too many."""
    reached = {1: 0}
    steps: list[dict[int, int]] = []
    for edits in range(min(len(ours) + len(theirs), MAX_EDITS) + 1):
        steps.append(dict(reached))
        for diagonal in range(-edits, edits + 1, 2):
            a = _entry(reached, diagonal, edits)
            b = a - diagonal
            while a < len(ours) and b < len(theirs) and ours[a] == theirs[b]:
                a, b = a + 1, b + 1
            reached[diagonal] = a
            if a >= len(ours) and b >= len(theirs):
                return steps
    return None


def _entry(reached: dict[int, int], diagonal: int, edits: int) -> int:
    """Where a diagonal is entered: from above (skipping one of `theirs`) or from the left (one of `ours`)."""
    if _from_above(reached, diagonal, edits):
        return reached[diagonal + 1]
    return reached[diagonal - 1] + 1


def _from_above(reached: dict[int, int], diagonal: int, edits: int) -> bool:
    return diagonal == -edits or (diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1])


def _walked_back(steps: list[dict[int, int]], ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    a, b = len(ours), len(theirs)
    for edits in range(len(steps) - 1, -1, -1):
        diagonal = a - b
        begin = _entry(steps[edits], diagonal, edits) if edits else 0
        while a > begin:
            a, b = a - 1, b - 1
            found.append((a, b))
        if _from_above(steps[edits], diagonal, edits):
            b -= 1
        else:
            a -= 1
    return found[::-1]


def _by_blocks(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[int, int]]:
    blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    return [(block.a + i, block.b + i) for block in blocks for i in range(block.size)]
