from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from carillon_plugin.bundle import bundle


class Bundles(unittest.TestCase):
    def test_a_folder_that_runs_and_is_the_same_each_time(self) -> None:
        with tempfile.TemporaryDirectory() as one:
            source, kept = Path(one) / "src", []
            (source / "words").mkdir(parents=True)
            (source / "words" / "__init__.py").write_text("HELLO = 'hello'\n")
            (source / "more.py").write_text("from words import HELLO\n")
            main = source / "main.py"
            main.write_text("from more import HELLO\nfrom carillon_plugin import serve\nprint(HELLO, serve.__name__)\n")
            main.chmod(0o600)
            for name in ("a", "b"):
                out = Path(one) / name
                bundle(main, out)
                kept.append({str(f.relative_to(out)): f.read_bytes() for f in out.rglob("*") if f.is_file()})
                self.assertTrue((out / "__main__.py").stat().st_mode & 0o044)
                said = subprocess.run([sys.executable, str(out)], capture_output=True, text=True, check=True)
                self.assertEqual(said.stdout, "hello serve\n")
            self.assertEqual(kept[0], kept[1])
            self.assertIn("carillon_plugin/wire.binpb", kept[0])


if __name__ == "__main__":
    unittest.main()
