"""Finds the regular expressions of the product, what could make one of them slow, and texts that try it."""

import ast
import importlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sre: Any = importlib.import_module("re._constants")
sre_parse: Any = importlib.import_module("re._parser")

ROOT = Path(__file__).parents[2]
PACKAGES = (
    *("core/whisperjob", "core/whisperjob_kubernetes", "api/whisperjob_api", "operator/whisperjob_operator"),
    *("client/whisperjob_client", "cli/whisperjob_cli", "images/optimizer/whisperjob_optimizer"),
    *("images/diarizer/whisperjob_diarizer", "deploy/local/whisperjob_local"),
)
_FUNCTIONS = {"compile", "match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer"}
_UNBOUNDED = 256
"""A repeat of up to so many is a constant."""

_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT)
_SAMPLES = {
    sre.CATEGORY_DIGIT: ("1",),
    sre.CATEGORY_SPACE: (" ", "\n"),
    sre.CATEGORY_WORD: ("a", "1"),
    sre.CATEGORY_NOT_SPACE: ("a", "!"),
    sre.CATEGORY_NOT_WORD: ("!", " "),
    sre.CATEGORY_NOT_DIGIT: ("a", "!"),
}


@dataclass(frozen=True)
class Usage:
    """A regular expression, and where it is used in what way."""

    place: str
    function: str
    pattern: "re.Pattern[str] | re.Pattern[bytes]"

    def run(self, text: str) -> None:
        """Applies the expression to a text in the way in which the product does."""
        data: Any = text.encode() if isinstance(self.pattern.pattern, bytes) else text
        pattern: Any = self.pattern
        if self.function in ("match", "fullmatch"):
            getattr(pattern, self.function)(data)
        else:
            for _ in pattern.finditer(data):
                pass


def find_usages() -> list[Usage]:
    """Returns every regular expression of the product's modules, as it is compiled there."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            source = path.read_text()
            tree = ast.parse(source)
            calls = [call for call in _calls(tree) if call.args]
            if not calls:
                continue
            methods = _methods(tree)
            name = ".".join(path.relative_to((ROOT / package).parent).with_suffix("").parts)
            module = vars(importlib.import_module(name.removesuffix(".__init__")))
            for call in calls:
                assert isinstance(call.func, ast.Attribute)
                pattern = eval(compile(ast.Expression(call.args[0]), name, "eval"), module)
                flag_nodes = [word.value for word in call.keywords if word.arg == "flags"] + call.args[1:]
                flags = 0
                if call.func.attr == "compile" or flag_nodes:
                    flags = _flags(flag_nodes, module)
                compiled = re.compile(pattern, flags)
                functions = methods.get(call, {"search"}) if call.func.attr == "compile" else {call.func.attr}
                found += [Usage(f"{name}:{call.lineno}", function, compiled) for function in sorted(functions)]
    return found


def _methods(tree: ast.AST) -> dict[ast.Call, set[str]]:
    """Returns which methods are called of the expressions that a module gives names."""
    names: dict[str, ast.Call] = {}
    for node in ast.walk(tree):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Call() as call)
            ):
                names[name] = call
    found: dict[ast.Call, set[str]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=method) if name in names and method in _FUNCTIONS:
                found.setdefault(names[name], set()).add(method)
    return found


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name)) if name in _FUNCTIONS:
                yield node


def _flags(nodes: Iterable[ast.expr], module: dict[str, Any]) -> int:
    """Returns the flags that a call names; its other arguments are texts."""
    flags = 0
    for node in nodes:
        if all(
            isinstance(part, ast.BinOp | ast.BitOr | ast.Attribute | ast.Name | ast.Load) for part in ast.walk(node)
        ):
            try:
                value = eval(compile(ast.Expression(node), "flags", "eval"), module)
            except NameError:  # a variable with the text
                continue
            flags |= value if isinstance(value, re.RegexFlag) else 0
    return flags


def nested_repeats(pattern: "re.Pattern[str] | re.Pattern[bytes]") -> bool:
    """Returns whether an unbounded repeat that tries again holds another one, so that a text is divided in 2ⁿ ways.

    A possessive repeat and an atomic group try nothing again.
    """
    return _nested(_parse(pattern), within=False)


def _parse(pattern: "re.Pattern[str] | re.Pattern[bytes]") -> Any:
    flags = pattern.flags & ~re.DEBUG
    return sre_parse.parse(pattern.pattern, flags)


def _nested(items: Any, *, within: bool) -> bool:
    for operator, argument in items:
        if operator in _REPEATS:
            unbounded = argument[1] is sre.MAXREPEAT or argument[1] > _UNBOUNDED
            if unbounded and within:
                return True
            if _nested(argument[2], within=within or unbounded):
                return True
        elif operator in (sre.POSSESSIVE_REPEAT, sre.ATOMIC_GROUP):
            inside = argument[2] if operator is sre.POSSESSIVE_REPEAT else argument
            if _nested(inside, within=False):
                return True
        elif any(_nested(inner, within=within) for inner in _children(operator, argument)):
            return True
    return False


def _children(operator: Any, argument: Any) -> list[Any]:
    if operator is sre.SUBPATTERN:
        return [argument[3]]
    if operator is sre.BRANCH:
        return list(argument[1])
    if operator in (sre.ASSERT, sre.ASSERT_NOT):
        return [argument[1]]
    if operator is sre.ATOMIC_GROUP:
        return [argument]
    if operator in (*_REPEATS, sre.POSSESSIVE_REPEAT):
        return [argument[2]]
    return []


def words_of(pattern: "re.Pattern[str] | re.Pattern[bytes]") -> list[str]:
    """Returns short texts that parts of the expression match: what a slow text is made of."""
    found: dict[str, None] = {}
    _collect(_parse(pattern), found)
    return [word for word in found if word]


def _collect(items: Any, found: dict[str, None]) -> str:
    """Adds a text that all items match together, and those of their parts. Returns the first."""
    whole = ""
    for operator, argument in items:
        texts = _texts(operator, argument, found)
        for text in texts:
            found[text] = None
        whole += texts[0] if texts else ""
    found[whole] = None
    return whole


def _texts(operator: Any, argument: Any, found: dict[str, None]) -> list[str]:
    if operator is sre.LITERAL:
        return [chr(argument)]
    if operator is sre.NOT_LITERAL:
        return ["a" if argument != ord("a") else "b"]
    if operator is sre.ANY:
        return ["a"]
    if operator is sre.IN:
        return _members(argument)
    if operator is sre.BRANCH:
        return [_collect(branch, found) for branch in argument[1]]
    if operator in (*_REPEATS, sre.POSSESSIVE_REPEAT):
        once = _collect(argument[2], found)
        return [once * max(1, argument[0] if argument[0] <= _UNBOUNDED else 1)]
    return [_collect(inner, found) for inner in _children(operator, argument)]


def _members(items: Any) -> list[str]:
    negated = items[0][0] is sre.NEGATE
    if negated:
        named = {argument for operator, argument in items if operator is sre.LITERAL}
        return [letter for letter in ("a", "!", " ", "\n", "<") if ord(letter) not in named]
    texts: list[str] = []
    for operator, argument in items:
        if operator is sre.LITERAL:
            texts.append(chr(argument))
        elif operator is sre.RANGE:
            texts.append(chr(argument[0]))
        elif operator is sre.CATEGORY:
            texts.extend(_SAMPLES.get(argument, ()))
    return texts
