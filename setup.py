"""What pyproject.toml cannot say: a wheel has `conf/` inside its package. An editable install reads the checkout's."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConf(build_py):
    """Copies `conf/` to `experiments/conf/`, where `experiments/paths.py` looks for it."""

    def run(self) -> None:
        """Build the packages, then the configuration."""
        super().run()
        if not self.editable_mode:
            for source, target in self._files():
                self.mkpath(str(Path(target).parent))
                self.copy_file(source, target)

    def get_outputs(self, include_bytecode: int = 1) -> list[str]:
        """All files that are built."""
        files = [] if self.editable_mode else [target for _, target in self._files()]
        return [*super().get_outputs(include_bytecode), *files]

    def get_source_files(self) -> list[str]:
        """All files that a source distribution needs."""
        return [*super().get_source_files(), *(source for source, _ in self._files())]

    def _files(self) -> list[tuple[str, str]]:
        """Every file of `conf/`, and where it is built."""
        home = Path(self.build_lib) / "experiments"
        return [(str(path), str(home / path)) for path in sorted(Path("conf").rglob("*.yaml"))]


setup(cmdclass={"build_py": BuildWithConf})
