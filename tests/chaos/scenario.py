"""What a scenario is: a kind of trouble, the promise that must hold in it, and a run that measures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class NotRunError(Exception):
    """Why a scenario cannot run on this machine, as one plain sentence."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of trouble.

    `run` gets an empty folder, and whether the whole scenario is wanted or its quick half. It returns the figures as a
    sentence, and raises AssertionError if the promise was broken, NotRunError if it cannot run here.
    """

    name: str
    trouble: str
    promise: str
    run: Callable[[Path, bool], str]
