"""Which branches of a reward function no state has reached."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hairpin.validation.findings import Finding

QUESTION = "hairpin: were these lines run?"  # a key of params; the answer is the reward, 0 or 1

# Runs after the user's file, in the same module: the function that is called from then on notes
# the lines that are run.
_WATCHER = f"""

def _hairpin_watch(function):
    import sys
    seen, file = set(), _hairpin_watch.__code__.co_filename
    def line(frame, event, argument):
        seen.add(frame.f_lineno)
        return line
    def enter(frame, event, argument):
        return line if frame.f_code.co_filename == file else None
    def watched(params):
        if {QUESTION!r} in params:
            return float(not seen.isdisjoint(params[{QUESTION!r}]))
        sys.settrace(enter)
        try:
            return function(params)
        finally:
            sys.settrace(None)
    return watched
reward_function = _hairpin_watch(reward_function)
"""


def watched(source: str) -> str:
    """The source of a reward function that also answers which of its lines were run.

    It is called as before, and with params of only `QUESTION`: numbers of lines.
    """
    return source + _WATCHER


class Branch:
    """One way through the function: the body of an if, else, for or while.

    Args:
        body: Its statements.
        at: The statement it belongs to.
        word: What that is called.

    Attributes:
        lines: The numbers of the lines of its first statement.
        inner: The branches inside.
    """

    def __init__(self, body: list[ast.stmt], at: ast.stmt, word: str) -> None:
        self.word, self.at = word, at
        first = next((s for s in body if not _is_silent(s)), body[0])
        self.lines = list(range(first.lineno, (first.end_lineno or first.lineno) + 1))
        self.inner = [branch for statement in body for branch in branches_of(statement)]
        self.readable = first.lineno > at.lineno and not _is_silent(first)

    def finding(self, states: int) -> Finding:
        """What to say when it was never reached."""
        message = f"what follows this {self.word} was never reached in {states} states"
        wanted = "false" if self.word == "else" else "true"
        fix = f"Look whether the condition can be {wanted}; perhaps it can on another --track."
        line = self.lines[0] - 1 if self.word == "else" else self.at.lineno
        return Finding("UNREACHED_BRANCH", message, line, self.at.col_offset + 1, fix)


def branches_of(node: ast.AST) -> Iterator[Branch]:
    """The outermost branches below a node; functions inside are looked at on their own."""
    if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ExceptHandler):
        return  # and it is good when nothing is ever caught
    if isinstance(node, ast.If):
        yield Branch(node.body, node, "if")
        if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
            yield from branches_of(node.orelse[0])
        elif node.orelse:
            yield Branch(node.orelse, node, "else")
    elif isinstance(node, ast.For | ast.While):
        yield Branch(node.body, node, "for" if isinstance(node, ast.For) else "while")
        for statement in node.orelse:
            yield from branches_of(statement)
    else:
        for child in ast.iter_child_nodes(node):
            yield from branches_of(child)


def functions_of(tree: ast.Module) -> list[Branch]:
    """The functions of a file, as branches: what was never called has no news inside."""
    return [
        Branch(node.body, node, "def")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]


def _is_silent(statement: ast.stmt) -> bool:
    """Whether a statement leaves no code that a trace could see."""
    if isinstance(statement, ast.Global | ast.Nonlocal):
        return True
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
