"""Models of the Hugging Face Hub: hf://USER/NAME, with @REVISION for a branch, a tag or a commit.

Of a repository only the weights and the scores are downloaded, into the Hub's own cache; nothing in it is executed.
"""

from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from genbench.errors import UserError
from genbench.places import HUB
from genbench.runs.files import reason

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

SCHEME = "hf://"
LARGEST = {"model.safetensors": 4 * 2**30, "scores.json": 16 * 2**20}  # bytes of each file that is downloaded


def download(reference: str) -> Path:
    """The folder, in the Hub's cache, with a repository's weights and, if it has any, scores, of one commit.

    What was downloaded before is taken from the cache where there is no network.

    Raises:
        UserError: huggingface_hub is missing, there is no such repository, revision or file, or it cannot be had.
    """
    found = HUB.fullmatch(reference)
    if found is None:
        raise UserError(f"{reference}: must be hf://USER/NAME or hf://USER/NAME@REVISION")
    if find_spec("huggingface_hub") is None:
        raise UserError(f"{reference}: needs huggingface_hub: pip install 'genbench[hub]'")
    repository, revision = found["repository"], found["revision"]
    weights, scores = LARGEST
    folder = _file(reference, repository, revision, weights).parent
    with suppress(FileNotFoundError):  # of the same commit, whatever was uploaded meanwhile: so the folder is named
        _file(reference, repository, folder.name, scores)
    return folder


def _file(reference: str, repository: str, revision: str | None, name: str) -> Path:
    """A file of a repository, in the cache.

    Raises:
        FileNotFoundError: the repository has no scores.
        UserError: see `download`.
    """
    import huggingface_hub as hub
    from huggingface_hub import errors

    # Of the client's HTTP library: with some versions no OSErrors where the network fails.
    failures: tuple[type[Exception], ...] = (errors.HTTPError, OSError, ValueError, RuntimeError)  # type: ignore[attr-defined]
    try:
        try:
            about = hub.get_hf_file_metadata(hub.hf_hub_url(repository, name, revision=revision))
        except errors.HfHubHTTPError:
            raise
        except failures:  # no network: there is the cache
            about = None
        _check_size(reference, name, about)
        return Path(hub.hf_hub_download(repository, name, revision=revision, local_files_only=about is None))
    except errors.LocalEntryNotFoundError as error:
        if name == "scores.json":
            raise FileNotFoundError(name) from error
        raise UserError(f"{reference}: the Hub cannot be reached, and {name} is not in its cache: try again") from error
    except errors.EntryNotFoundError as error:
        if name == "scores.json":
            raise FileNotFoundError(name) from error
        raise UserError(f"{reference}: has no {name}: genbench export format=hub writes such a repository") from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{reference}: the repository has no such revision: leave out @{revision}") from error
    except errors.GatedRepoError as error:
        raise UserError(f"{reference}: its owner must allow it: ask for it on its page, then hf auth login") from error
    except failures as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 403):
            raise UserError(f"{reference}: there is no such repository, or it is private: hf auth login") from error
        raise UserError(f"{reference}: {name} cannot be downloaded ({reason(error)}): try again") from error


def _check_size(reference: str, name: str, about: "HfFileMetadata | None") -> None:
    """Refuse a file that is too large before it is downloaded."""
    if about is not None and about.size is not None and about.size > LARGEST[name]:
        raise UserError(f"{reference}: {name} is larger than {LARGEST[name] // 2**20} MiB, and is not downloaded")
