"""Finds in source text every reach into a Member's profile fields, by what the annotations say is a Member.

mypy makes every function say what it takes and gives, so a Member can be followed from where it comes: a function or
attribute that is annotated with it. What is followed too far costs a false alarm, never a miss.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import fields

from gateway.core.model import Member

OPEN = {"member_id", "staff"}
PROFILE = {field.name for field in fields(Member)} - OPEN
PRIVATE = {"_unguarded", "_taken_from"}  # the gate's own way
COMMAND_LINE = "arguments"  # what argparse read: its `member` is a pseudonym that an operator typed
WHOLE = {"asdict", "astuple", "vars", "getattr", "repr", "str"}  # what takes all of it, or a field by a computed name


class Sources:
    """Names of functions and attributes that give a Member, over all modules."""

    def __init__(self, trees: Iterable[ast.Module]) -> None:
        self.functions: set[str] = {"Member"}
        self.attributes: set[str] = set()
        self.classes: set[str] = {"Member"}
        for tree in trees:
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _says_member(node.returns):
                    self.functions.add(node.name)
                if isinstance(node, ast.ClassDef):
                    own = [part for part in node.body if isinstance(part, ast.AnnAssign)]
                    held = [part.target for part in own if _says_member(part.annotation)]
                    self.attributes |= {target.id for target in held if isinstance(target, ast.Name)}
                    if held:
                        self.classes.add(node.name)


def found(tree: ast.Module, sources: Sources) -> list[tuple[int, str]]:
    """Line and text of each reach into a profile field, and of whatever takes a Member as a whole."""
    shared = _names_in(tree, set(), sources)
    hits: set[tuple[int, str]] = set()
    for part in tree.body:
        names = _names_in(part, shared, sources)
        hits |= {(node.lineno, ast.unparse(node)) for node in _reaches(part, names, sources)}
    return sorted(hits)


def _reaches(part: ast.AST, names: set[str], sources: Sources) -> Iterator[ast.expr | ast.pattern]:
    for node in ast.walk(part):
        match node:
            case ast.Attribute(attr=attr, value=value):
                if attr in PRIVATE or (attr in PROFILE and _is_member(value, names, sources)):
                    yield node
            case ast.Call(func=ast.Name(id=called), args=arguments) if called in WHOLE:
                if any(_is_member(argument, names, sources) for argument in arguments):
                    yield node
            case ast.FormattedValue(value=value) if _is_member(value, names, sources):
                yield node
            case ast.MatchClass(cls=ast.Name(id="Member"), patterns=patterns, kwd_attrs=named):
                if len(patterns) > 1 or PROFILE & set(named):
                    yield node


def _names_in(part: ast.AST, known: set[str], sources: Sources) -> set[str]:
    """The names that hold a Member somewhere in `part`; whoever gives one on is followed until nothing is new."""
    names = set(known)
    while True:
        before = len(names)
        for node in ast.walk(part):
            names |= _bound(node, names, sources)
        if len(names) == before:
            return names


def _bound(node: ast.AST, names: set[str], sources: Sources) -> set[str]:
    match node:
        case ast.arg(arg=name, annotation=annotation):
            return {name} if _says_member(annotation) or (annotation is None and name == "member") else set()
        case ast.AnnAssign(target=target, annotation=annotation) if _says_member(annotation):
            return _targets(target)
        case ast.Assign(targets=targets, value=value) if _is_member(value, names, sources):
            return set().union(*(_targets(target) for target in targets))
        case ast.NamedExpr(target=target, value=value) if _is_member(value, names, sources):
            return _targets(target)
        case (
            ast.For(target=target, iter=value)
            | ast.AsyncFor(target=target, iter=value)
            | ast.comprehension(target=target, iter=value)
        ) if _is_member(value, names, sources):
            return _targets(target)
        case ast.MatchClass(cls=kind, patterns=patterns, kwd_patterns=named) if (
            ast.unparse(kind).rpartition(".")[2] in sources.classes
        ):
            inner = [inside for one in (*patterns, *named) for inside in ast.walk(one)]
            return {one.name for one in inner if isinstance(one, ast.MatchAs) and one.name is not None}
    return set()


def _is_member(value: ast.expr, names: set[str], sources: Sources) -> bool:
    """Whether the expression may be a Member, or hold one."""

    def inside(one: ast.expr) -> bool:
        return _is_member(one, names, sources)

    match value:
        case ast.Name(id=name):
            return name in names
        case ast.Attribute(value=ast.Name(id=name)) if name == COMMAND_LINE:
            return False
        case ast.Attribute(attr=attr):
            return attr in sources.attributes
        case ast.Call(func=func, args=arguments, keywords=keywords):
            named = func.id if isinstance(func, ast.Name) else func.attr if isinstance(func, ast.Attribute) else ""
            if named in sources.functions or named == "replace":
                return named != "replace" or any(inside(one) for one in arguments)
            if isinstance(func, ast.Attribute) and inside(func.value):
                return True  # what a list, a mapping or a parser of Members gives
            handed = [*arguments, *(keyword.value for keyword in keywords)]
            return any(_gives_member(one, names, sources) for one in handed)
        case ast.Await(value=one) | ast.Subscript(value=one) | ast.Starred(value=one) | ast.NamedExpr(value=one):
            return inside(one)
        case ast.IfExp(body=one, orelse=other):
            return inside(one) or inside(other)
        case ast.BoolOp(values=several) | ast.Tuple(elts=several) | ast.List(elts=several) | ast.Set(elts=several):
            return any(inside(one) for one in several)
        case ast.ListComp(elt=one) | ast.SetComp(elt=one) | ast.GeneratorExp(elt=one) | ast.DictComp(value=one):
            return inside(one)
    return False


def _gives_member(argument: ast.expr, names: set[str], sources: Sources) -> bool:
    """Whether what is handed over is a function that gives a Member: `run(lambda tx: tx.member(..))` gives one too."""
    if isinstance(argument, ast.Lambda):
        return _is_member(argument.body, names, sources)
    return isinstance(argument, ast.Name) and argument.id in sources.functions - {"Member"}


def _says_member(annotation: ast.expr | None) -> bool:
    if annotation is None:
        return False
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name) and node.id == "Member":
            return True
        if isinstance(node, ast.Attribute) and node.attr == "Member":
            return True
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "Member" in node.value.split():
            return True
    return False


def _targets(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
