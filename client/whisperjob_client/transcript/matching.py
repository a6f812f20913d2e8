"""Finds the entries that two lists have in common, in order: a longest common subsequence. Pure.

difflib looks for long blocks first, which may separate what belongs together ("no no, no no no"). Myers' algorithm
finds a longest match, so a list with gaps is always found whole in the full one. It is quick where the lists mostly
agree, as two transcriptions of the same speech do; where they do not, difflib's result is good enough.
"""

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

MAX_EDITS = 1000

MANY_PAIRS = 200_000
"""Of equal words. difflib looks at each of them, often many times: half an hour of speech has some 100,000, and a loop
the square of its length. Above this, words that are more than a hundredth of the text are no longer looked for."""

MAX_PAIRS = 1_000_000
"""Above this, even without the frequent words, two texts have no match."""


def matches(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    """Returns pairs of indices (of `first`, of `second`), both rising."""
    head = 0
    while head < min(len(first), len(second)) and first[head] == second[head]:
        head += 1
    pairs = [(index, index) for index in range(head)]
    first, second = first[head:], second[head:]
    steps = _edits(first, second)
    tail = _walk_back(steps, first, second) if steps is not None else _match_blocks(first, second)
    return pairs + [(a + head, b + head) for a, b in tail]


def _edits(first: Sequence[str], second: Sequence[str]) -> list[dict[int, int]] | None:
    """Myers: returns for each number of edits how far into `first` each diagonal got. None if it takes too many."""
    reached = {1: 0}
    steps: list[dict[int, int]] = []
    for edits in range(min(len(first) + len(second), MAX_EDITS) + 1):
        steps.append(dict(reached))
        for diagonal in range(-edits, edits + 1, 2):
            a = _entry(reached, diagonal, edits)
            b = a - diagonal
            while a < len(first) and b < len(second) and first[a] == second[b]:
                a, b = a + 1, b + 1
            reached[diagonal] = a
            if a >= len(first) and b >= len(second):
                return steps
    return None


def _entry(reached: dict[int, int], diagonal: int, edits: int) -> int:
    """Returns where a diagonal is entered: from above (skips one of `second`) or from the left (one of `first`)."""
    if _from_above(reached, diagonal, edits):
        return reached[diagonal + 1]
    return reached[diagonal - 1] + 1


def _from_above(reached: dict[int, int], diagonal: int, edits: int) -> bool:
    return diagonal == -edits or (diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1])


def _walk_back(steps: list[dict[int, int]], first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    """Returns the matches on the way that took the fewest edits."""
    pairs: list[tuple[int, int]] = []
    a, b = len(first), len(second)
    for edits in range(len(steps) - 1, -1, -1):
        diagonal = a - b
        begin = _entry(steps[edits], diagonal, edits) if edits else 0
        while a > begin:
            a, b = a - 1, b - 1
            pairs.append((a, b))
        if _from_above(steps[edits], diagonal, edits):
            b -= 1
        else:
            a -= 1
    return pairs[::-1]


def _match_blocks(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    counts = Counter(second)
    pairs = {word: number * counts[word] for word, number in Counter(first).items()}
    many = sum(pairs.values()) > MANY_PAIRS
    if many and sum(pairs[word] for word in pairs if counts[word] <= len(second) // 100 + 1) > MAX_PAIRS:
        return []
    blocks = SequenceMatcher(None, first, second, autojunk=many).get_matching_blocks()
    return [(block.a + i, block.b + i) for block in blocks for i in range(block.size)]
