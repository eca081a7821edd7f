"""What can be found wrong with a reward function by reading it."""

from __future__ import annotations

import ast
import builtins
import difflib
import symtable
import sys
import warnings
from collections.abc import Iterator

from hairpin.validation.findings import IMPORT_ERROR, SYNTAX_ERROR, TEST_FAILURE, Finding
from sim.errors import did_you_mean

LIBRARIES = ("math", "random", "numpy", "scipy", "shapely")
# Of the standard library: what computes. The rest is not refused, but the process that rewards run
# in has no files, network or processes of its own to use it on.
_HARMLESS = """
__future__ abc array bisect builtins calendar cmath collections contextlib copy dataclasses datetime
decimal enum fractions functools gc hashlib heapq inspect io itertools json logging numbers operator
pprint re statistics string struct sys textwrap time timeit traceback types typing uuid warnings
weakref zlib
"""
HARMLESS = frozenset(_HARMLESS.split())
NO_FILES = "Write the numbers into the source, as a list."
FORBIDDEN = {
    "open": NO_FILES,
    "input": "Nobody can answer while a car trains.",
    "exec": "Write the code itself.",
    "eval": "Write the expression itself.",
    "compile": "Write the code itself.",
    "__import__": "Write import at the top.",
    "breakpoint": "Print what you want to see.",
}
_NUMPY_FILES = "load fromfile genfromtxt loadtxt savez savez_compressed save savetxt memmap"
NUMPY_FILES = frozenset(_NUMPY_FILES.split())
MAX_CHARS = 140_000  # what DeepRacer's own console accepts


def parse(source: str, file: str) -> ast.Module | Finding:
    """The syntax tree, or what is wrong with the syntax."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the user's source, such as "\d" in a string
            tree = ast.parse(source, filename=file)
            compile(tree, file, "exec")
    except SyntaxError as error:
        kind = "" if type(error) is SyntaxError else f" ({type(error).__name__})"
        message = f"{error.msg}{kind}"
        column = max(error.offset or 1, 1) if error.lineno else None
        return Finding(SYNTAX_ERROR, message, error.lineno, column)
    except (ValueError, RecursionError, MemoryError) as error:
        said = str(error) or f"it cannot be parsed ({type(error).__name__})"
        return Finding(SYNTAX_ERROR, said, fix="The file is not Python source.")
    return tree


def check_source(
    tree: ast.Module, source: str, keys: frozenset[str]
) -> tuple[list[Finding], list[Finding]]:
    """Errors and warnings that reading finds.

    Args:
        tree: As `parse` gives it.
        source: The same, as text.
        keys: What params has.
    """
    own = _own_names(tree)
    errors, hints = _imports(tree)
    errors += _forbidden_calls(tree, own)
    hints += _unknown_keys(tree, keys)
    hints += _undefined_names(tree, source)
    if len(source) > MAX_CHARS:
        message = f"the file has {len(source):,} characters; DeepRacer takes {MAX_CHARS:,}"
        hints.append(Finding("LONG_FILE", message))
    return errors, hints


def check_signature(tree: ast.Module) -> list[Finding]:
    """Whether there is something to call with the params."""
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name != "reward_function":
            continue
        if isinstance(node, ast.AsyncFunctionDef):
            message = "reward_function must not be async"
            return [
                Finding(TEST_FAILURE, message, *_at(node), "Write def reward_function(params):")
            ]
        arguments = node.args
        places = len(arguments.posonlyargs) + len(arguments.args)
        needed = places - len(arguments.defaults)
        keyword = sum(default is None for default in arguments.kw_defaults)
        if needed > 1 or keyword or (places == 0 and arguments.vararg is None):
            count = needed + keyword
            message = f"reward_function takes {count} arguments; it is called with one, the params"
            return [
                Finding(TEST_FAILURE, message, *_at(node), "Write def reward_function(params):")
            ]
        return []
    bound = {name for node in tree.body for name in _bound_by(node)}
    if "reward_function" in bound or "*" in bound:
        return []
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    message = "there is no reward_function"
    if not functions:
        return [Finding(TEST_FAILURE, message, fix="Define reward_function(params).")]
    names = " and ".join(node.name for node in functions)
    fix = f"The file defines {names}; the one to call must be named reward_function."
    return [Finding(TEST_FAILURE, message, *_at(functions[-1]), fix)]


def _at(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1


def _imports(tree: ast.Module) -> tuple[list[Finding], list[Finding]]:
    errors, hints = [], []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        else:
            continue
        for name in names:
            top = name.split(".")[0]
            if top in LIBRARIES or top in HARMLESS:
                continue
            if top in sys.stdlib_module_names:
                message = f"{top} is of little use: rewards run without files, network or processes"
                hints.append(Finding("LIMITED_IMPORT", message, *_at(node)))
                continue
            allowed = f"Allowed are {', '.join(LIBRARIES)} and the standard library."
            near = difflib.get_close_matches(top, [*LIBRARIES, *HARMLESS], n=1, cutoff=0.75)
            fix = f"Did you mean {near[0]!r}? {allowed}" if near else allowed
            message = f"{name or 'this'} cannot be imported in a reward function"
            errors.append(Finding(IMPORT_ERROR, message, *_at(node), fix))
    return errors, hints


def _forbidden_calls(tree: ast.Module, own: set[str]) -> list[Finding]:
    numpy_names, from_numpy = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            numpy_names |= {a.asname or a.name for a in node.names if a.name == "numpy"}
        elif isinstance(node, ast.ImportFrom) and node.module == "numpy":
            from_numpy |= {a.asname or a.name for a in node.names if a.name in NUMPY_FILES}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name):
            if called.id in from_numpy:
                fix = NO_FILES
            elif called.id in FORBIDDEN and called.id not in own:
                fix = FORBIDDEN[called.id]
            else:
                continue
            name = called.id
        elif isinstance(called, ast.Attribute):
            of_numpy = isinstance(called.value, ast.Name) and called.value.id in numpy_names
            if not (of_numpy and called.attr in NUMPY_FILES) and called.attr != "tofile":
                continue
            name, fix = ast.unparse(called), NO_FILES
        else:
            continue
        message = f"{name}() cannot be called in a reward function"
        found.append(Finding(TEST_FAILURE, message, *_at(node), fix))
    return found


def _unknown_keys(tree: ast.Module, keys: frozenset[str]) -> list[Finding]:
    """Keys that params does not have, wherever something called like params is asked for them."""
    called = {"params"}
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "reward_function":
            called |= {argument.arg for argument in statement.args.args[:1]}
    asked: list[tuple[ast.Constant, bool]] = []
    known = set(keys)
    for node in ast.walk(tree):
        key: ast.expr | None = None
        if isinstance(node, ast.Subscript) and _is_named(node.value, called):
            key = node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "get" and _is_named(node.func.value, called) and node.args:
                key = node.args[0]
        elif (
            isinstance(node, ast.Compare)
            and isinstance(node.left, ast.Constant)
            and any(_is_named(other, called) for other in node.comparators)
        ):
            known.add(str(node.left.value))  # it is looked whether there is such a key
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            stored = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)
            asked.append((key, stored))
    known |= {str(key.value) for key, stored in asked if stored}
    return [
        Finding(
            "UNKNOWN_KEY",
            f"params has no key {key.value!r}",
            *_at(key),
            did_you_mean(str(key.value), keys),
        )
        for key, stored in asked
        if key.value not in known
    ]


def _undefined_names(tree: ast.Module, source: str) -> list[Finding]:
    """Names that nothing defines: they fail on the first call that comes by."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in `parse`
        table = symtable.symtable(source, "reward", "exec")
    tables = [table]
    for one in tables:
        tables += one.get_children()
    defined = set(vars(builtins)) | {"__file__", "__name__"}
    defined |= {
        symbol.get_name()
        for one in tables
        for symbol in one.get_symbols()
        if (symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace())
        and (one is table or symbol.is_declared_global())
    }
    missing = {
        symbol.get_name()
        for one in tables
        for symbol in one.get_symbols()
        if symbol.is_referenced()
        and (symbol.is_global() or one is table)
        and symbol.get_name() not in defined
    }
    if "*" in {name for node in tree.body for name in _bound_by(node)}:
        return []
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in missing and node.id not in found:
            nearest = did_you_mean(node.id, defined)
            fix = nearest if nearest.startswith("Did") else ""
            message = f"the name {node.id!r} is not defined anywhere"
            found[node.id] = Finding("UNDEFINED_NAME", message, *_at(node), fix)
    return list(found.values())


def _is_named(node: ast.expr, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _own_names(tree: ast.Module) -> set[str]:
    """Names that the file binds anywhere: a function of one's own may be called like a builtin."""
    return {name for node in ast.walk(tree) for name in _bound_by(node)} | {
        node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)
    }


def _bound_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
    elif isinstance(node, ast.AnnAssign | ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
