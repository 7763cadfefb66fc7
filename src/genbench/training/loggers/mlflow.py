"""MLflow: a run on a tracking server, by its client."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from genbench.config.loggers import MLflowConfig, mlflow_address
from genbench.runs.logged import Memory
from genbench.runs.records import Row, State
from genbench.training.loggers.logger import Subject
from genbench.training.loggers.secrets import without_secrets

_STATES = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
_MOST_METRICS, _MOST_PARAMS = 1000, 100  # of one request
# Where the user has not said otherwise: an answer or a failure within half a minute, and nothing to anybody else. (Its
# jitter would draw from Python's random numbers.)
_VARIABLES = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class MLflow:
    """One run of the experiment: params, metrics by images seen, images, config.yaml."""

    def __init__(self, subject: Subject, config: MLflowConfig) -> None:
        """Import the library, which must not happen beside a training: two imports at a time can break each other."""
        for name, value in _VARIABLES.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.ERROR)  # it has a handler of its own, for the screen
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # a failure is said once
        self._subject = subject
        self._config = config
        self._memory = Memory(subject.run, "mlflow")
        # A run that was told of before is where it was told of, unless another place is named.
        known = self._memory.logged
        self._address = mlflow_address(config) or (known.address if known is not None else "")
        self._make_client = MlflowClient

    def begin(self) -> str:
        """Find the run there, or make one."""
        self._client: Any = self._make_client(tracking_uri=self._address)
        run = self._found()
        if run is None:
            run = self._created()
        else:
            self._client.update_run(run.info.run_id, status="RUNNING")
        self._id: str = run.info.run_id
        address = without_secrets(self._address)
        web = address.startswith(("http://", "https://"))
        page = f"{address.rstrip('/')}/#/experiments/{run.info.experiment_id}/runs/{self._id}"
        place = page if web else f"run {self._id} in {address}"
        self._memory.begin(self._id, place, address)
        self._client.log_text(self._id, self._subject.config.to_yaml(), "config.yaml")
        return place

    def rows(self, rows: Sequence[Row]) -> None:
        """Metrics that were not told yet, with the images seen as their steps."""
        rows = self._memory.untold(rows)
        if not rows:
            return
        self._log([(name, value, images) for images, values in rows for name, value in values.items()])
        self._memory.told(rows)

    def catch_up(self, rows: Sequence[Row]) -> None:
        """As `rows`."""
        self.rows(rows)

    def picture(self, name: str, picture: Image.Image, images_seen: int) -> None:
        """An image with the images seen as its step."""
        row = Row(images_seen, {name: 0.0})
        if self._memory.untold([row]):
            self._client.log_image(self._id, picture, key=name, step=images_seen)
            self._memory.told([row])

    def results(self, settings: Mapping[str, str | float], results: Mapping[str, float], images_seen: int) -> None:
        """Final numbers that are new or others than before; the settings are the run's params."""
        new = self._memory.other_results(results)
        self._log([(name, value, images_seen) for name, value in new.items()])
        self._memory.told_results(new)

    def end(self, state: State) -> None:
        """Say how it ended."""
        self._client.set_terminated(self._id, _STATES.get(state, "FINISHED"))

    def _found(self) -> Any:
        """The run as it was begun before; None if there was none, or not there."""
        from mlflow.exceptions import MlflowException

        known = self._memory.logged
        if known is None:
            return None
        try:
            return self._client.get_run(known.id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def _created(self) -> Any:
        from mlflow.entities import Param

        tags = {f"genbench.{name}": value for name, value in self._subject.tags.items()}
        run = self._client.create_run(self._experiment(), run_name=self._subject.name, tags=tags)
        params = [Param(name, str(value)) for name, value in self._subject.settings.items()]
        for i in range(0, len(params), _MOST_PARAMS):
            self._client.log_batch(run.info.run_id, params=params[i : i + _MOST_PARAMS])
        return run

    def _experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        name = self._config.experiment
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name))
            except MlflowException:  # another job of a sweep was faster
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _log(self, points: Sequence[tuple[str, float, int]]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value, step in points]
        for i in range(0, len(metrics), _MOST_METRICS):
            self._client.log_batch(self._id, metrics=metrics[i : i + _MOST_METRICS])
