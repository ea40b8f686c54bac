"""Puts a plugin and the Python it imports in one folder, which `python3 FOLDER`
runs:

    python3 -m carillon_plugin.bundle main.py -o dist

The SDK always goes in. With -r, the packages of a requirements file do too, by
pip; without it, what the plugin imports has to be on the machine it runs on.
"""

from __future__ import annotations

import argparse
import compileall
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path


def bundle(main: Path, out: Path, requirements: Path | None = None) -> None:
    """Makes out anew. Modules and packages beside main go in, too. Who runs a
    plugin is not who wrote it: what is private here is not private there."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    if requirements is not None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(out), "-r", str(requirements)]
        subprocess.run(pip, check=True)
    sdk = Path(__file__).parent
    shutil.copytree(sdk, out / sdk.name, dirs_exist_ok=True, ignore=_caches, copy_function=shutil.copyfile)
    for one in sorted(main.parent.iterdir()):
        if one.suffix == ".py" and one != main:
            shutil.copyfile(one, out / one.name)
        elif (one / "__init__.py").exists() and one.resolve() != out.resolve():
            shutil.copytree(one, out / one.name, ignore=_caches, copy_function=shutil.copyfile)
    shutil.copyfile(main, out / "__main__.py")
    # Where it runs it may not write, and would be compiled at each start.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(out, quiet=1, stripdir=str(out), invalidation_mode=mode)


_caches = shutil.ignore_patterns("__pycache__", "*.pyc")


def _run() -> None:
    p = argparse.ArgumentParser(prog="python3 -m carillon_plugin.bundle", description=(__doc__ or "").split(":")[0] + ".")
    p.add_argument("main", type=Path, help="the plugin's script")
    p.add_argument("-o", "--out", type=Path, default=Path("dist"), help="the folder to make")
    p.add_argument("-r", "--requirements", type=Path, help="packages to put in by pip")
    given = p.parse_args()
    bundle(given.main.resolve(), given.out.resolve(), given.requirements)


if __name__ == "__main__":
    _run()
