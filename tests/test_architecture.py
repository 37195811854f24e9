"""The layers of the package, as a test: arrows point down, heavy libraries stay in their rooms."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "medvlp"
ROOT = PACKAGE.parent

# Top to bottom. Packages on one line never import each other.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"cli"}),
    frozenset({"training"}),
    frozenset({"pipelines"}),
    frozenset({"zeroshot", "probing"}),
    frozenset({"embedding", "reporting"}),
    frozenset({"models", "data"}),
    frozenset({"losses", "knowledge", "slides", "volumes", "radiographs", "metrics", "phantoms"}),
    frozenset({"text"}),
    frozenset({"jobs", "config"}),
    frozenset({"distributed", "io", "pixels", "registry"}),
    frozenset({"errors", "error_catalog", "types", "medvlp"}),
)
LEVEL = {name: level for level, names in enumerate(reversed(LAYERS)) for name in names}

# Library -> the places that may import it (path prefixes below the package).
ROOMS = {
    "lightning": (
        "training/",
        "data/modules.py",
        "data/modules_scans.py",
        "data/modules_radiograph_masks.py",
        "data/modules_radiographs.py",
    ),
    "openslide": ("slides/",),
    "tifffile": ("slides/", "io/", "phantoms/"),
    "torch.distributed": ("distributed.py", "training/sharded/"),
}
# Place -> libraries it must not import.
FORBIDDEN = {
    "knowledge/": ("torch",),
    "slides/": ("torch",),
    "volumes/": ("torch",),
    "radiographs/": ("torch",),
    "phantoms/": ("torch",),
    "jobs/": ("torch",),
    "config/": ("torch",),
    "losses/": ("medvlp.models", "lightning", "timm", "transformers"),
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported_names(path: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, wherever in its text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return "medvlp" if first in {"__init__.py", "__main__.py"} else first.removesuffix(".py")


def starts_with(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def test_layers__name_every_package() -> None:
    unknown = {room_of(path) for path in modules()} - set(LEVEL)
    assert not unknown, f"not in a layer: {sorted(unknown)}"


def test_layers__are_imported_downwards_only() -> None:
    wrong = []
    for path in modules():
        room = room_of(path)
        if path.name == "__main__.py" and path.parent == PACKAGE:
            continue
        for name in imported_names(path):
            parts = name.split(".")
            if parts[0] != "medvlp" or len(parts) == 1:
                continue
            target = parts[1] if parts[1] in LEVEL else "medvlp"
            if target != room and LEVEL[target] >= LEVEL[room] and target != "medvlp":
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_packages__have_no_import_cycles() -> None:
    graph: dict[str, set[str]] = {}
    for path in modules():
        own = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        graph[own] = set(imported_names(path))
    known = set(graph)

    def targets(module: str) -> set[str]:
        found = set()
        for name in graph[module]:
            candidate = name if name in known else name.rpartition(".")[0]
            if candidate in known and candidate != module:
                found.add(candidate)
        return found

    state: dict[str, int] = {}

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert state.get(module) != 1, " -> ".join((*trail, module))
        if module in state:
            return
        state[module] = 1
        for target in sorted(targets(module)):
            visit(target, (*trail, module))
        state[module] = 2

    for module in sorted(known):
        visit(module, ())


@pytest.mark.parametrize("library", sorted(ROOMS))
def test_heavy_libraries__stay_in_their_rooms(library: str) -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in modules()
        if any(starts_with(name, library) for name in imported_names(path))
        and not str(path.relative_to(PACKAGE)).startswith(ROOMS[library])
    ]
    assert not wrong


@pytest.mark.parametrize("place", sorted(FORBIDDEN))
def test_places__do_not_import_what_is_forbidden_there(place: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules()
        if str(path.relative_to(PACKAGE)).startswith(place)
        for name in imported_names(path)
        if any(starts_with(name, library) for library in FORBIDDEN[place])
    ]
    assert not wrong, "\n".join(wrong)


def test_library__never_imports_the_tools_around_it() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules()
        for name in imported_names(path)
        if name.split(".")[0] in {"preprocessing", "benchmarks", "tests"}
    ]
    assert not wrong, "\n".join(wrong)


def source_files() -> list[Path]:
    folders = (PACKAGE, ROOT / "preprocessing", ROOT / "benchmarks", ROOT / "tests")
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def test_files__stay_under_400_lines() -> None:
    long = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in source_files()}
    assert not {name: lines for name, lines in long.items() if lines > 400}


def test_functions__stay_under_60_lines() -> None:
    long = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.body:
                body = node.body[1:] if ast.get_docstring(node) else node.body
                length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
                if length > 60:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length}")
    assert not long, "\n".join(long)


def test_modules__over_40_lines_have_a_twin_test() -> None:
    missing = []
    for path in modules():
        relative = path.relative_to(PACKAGE)
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) <= 40 or path.name in {"__init__.py", "__main__.py"}:
            continue
        if not any(isinstance(node, ast.FunctionDef) for node in ast.walk(ast.parse(text))):
            continue  # records only
        twin = ROOT / "tests" / relative.parent / f"test_{path.name}"
        if not twin.exists():
            missing.append(str(twin.relative_to(ROOT)))
    assert not missing, "\n".join(missing)
