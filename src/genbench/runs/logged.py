"""mlflow.json and wandb.json: as what a logger knows a run, and what it was told of it so far."""

from collections.abc import Mapping, Sequence

from genbench.errors import UserError
from genbench.runs import files
from genbench.runs.directory import Run
from genbench.runs.records import Logged, Row


class Memory:
    """What a logger was told of a run, kept in the run's directory so that a resumed training tells nothing twice."""

    def __init__(self, run: Run, logger: str) -> None:
        """Of the logger "mlflow" or "wandb".

        Raises:
            UserError: the file cannot be read.
        """
        self._run = run
        self._name = f"{logger}.json"
        self.logged: Logged | None = None
        if run.has(self._name):
            path = run.path / self._name
            try:
                self.logged = files.read_record(path, Logged)
            except (OSError, ValueError) as error:
                raise UserError(f"{path} cannot be read ({files.reason(error)}): delete it to begin anew") from error

    def begin(self, id: str, place: str, address: str = "") -> None:
        """Note as what the logger knows the run; one that it knows by another name was told nothing yet."""
        before = self.logged if self.logged is not None and self.logged.id == id else None
        begun = Logged(id=id, place=place, address=address)
        if before is not None:
            begun = begun.model_copy(update={"images": before.images, "results": before.results})
        self._write(begun)

    def untold(self, rows: Sequence[Row]) -> list[Row]:
        """Of rows in the order of the images seen, what was not told yet."""
        told = dict(self._known.images)
        found = []
        for row in rows:
            values = {name: value for name, value in row.values.items() if row.images > told.get(name, -1)}
            told |= dict.fromkeys(values, row.images)
            if values:
                found.append(Row(row.images, values))
        return found

    def told(self, rows: Sequence[Row]) -> None:
        """Note that rows, or pictures (by any value), were told."""
        images = dict(self._known.images)
        for row in rows:
            images |= dict.fromkeys(row.values, row.images)
        self._write(self._known.model_copy(update={"images": images}))

    def other_results(self, results: Mapping[str, float]) -> dict[str, float]:
        """Those of the final numbers that are not as they were told."""
        return {name: value for name, value in results.items() if self._known.results.get(name) != value}

    def told_results(self, results: Mapping[str, float]) -> None:
        """Note that final numbers were told."""
        self._write(self._known.model_copy(update={"results": self._known.results | dict(results)}))

    @property
    def _known(self) -> Logged:
        if self.logged is None:
            raise RuntimeError(f"{self._name}: the logger was not begun")
        return self.logged

    def _write(self, logged: Logged) -> None:
        self.logged = logged
        with self._run.whole(self._name) as temporary:
            temporary.write_text(files.record_text(logged), encoding="utf-8")
