"""Programs that answer like SLURM's, from files in a folder."""

import os
from pathlib import Path

SBATCH = """#!/usr/bin/env bash
printf '%s\\n' "$@" >>{root}/sbatch.words
cp "${{@: -1}}" {root}/submitted.sbatch
if [ -e {root}/refusal ]; then cat {root}/refusal >&2; exit 1; fi
cat {root}/number
"""
SCONTROL = """#!/usr/bin/env bash
printf '%s\\n' "$*" >>{root}/scontrol.words
n=$(cat {root}/asked 2>/dev/null || echo 0)
echo $((n + 1)) >{root}/asked
line=$(sed -n "$((n + 1))p" {root}/states)
if [ -z "$line" ]; then line=$(tail -n 1 {root}/states); fi
case $line in
  error:*) echo "${{line#error:}}" >&2; exit 1 ;;
  log:*) printf '%s' "${{line#log:}}" >>{root}/job.log; line=$(head -n 1 {root}/states) ;;
esac
echo "JobId=7 JobName=x $line Reason=None Dependency=(null)"
"""


class FakeSlurm:
    """SLURM's programs in a folder of their own.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.bin.mkdir()
        for name, text in (("sbatch", SBATCH), ("scontrol", SCONTROL)):
            path = self.bin / name
            path.write_text(text.format(root=root))
            path.chmod(0o755)
        (root / "number").write_text("7\n")

    @property
    def path(self) -> str:
        """What PATH must be."""
        return f"{self.bin}{os.pathsep}/usr/bin{os.pathsep}/bin"

    def states(self, *lines: str) -> None:
        """Say what scontrol answers, one question after the other; the last answer stays."""
        (self.root / "states").write_text("".join(f"{line}\n" for line in lines))

    def words(self, program: str) -> list[str]:
        """Return what a program was called with."""
        return (self.root / f"{program}.words").read_text().splitlines()
