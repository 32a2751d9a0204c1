"""A corpus on its way to the Hugging Face Hub, by its own client.

With the client's transfer package (`hf_xet`, installed with it) files go up in several commits
and a cut upload goes on where it stopped. Without, there is one commit at the end, and files that
were sent before the cut are not sent again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from st_audioqa.corpus.manifest import QUESTION_TABLES
from st_audioqa.errors import MissingPackageError, UserError

__all__ = ["upload"]

_TABLES = ("scenes", *QUESTION_TABLES, "bench")


def upload(
    folder: Path,
    files: Iterable[str],
    repo: str,
    *,
    message: str,
    private: bool = False,
    gated: bool = False,
    tag: str | None = None,
) -> str:
    """Uploads files of a folder to a dataset repository, which is made where it is not there.

    Shards that the repository holds from before and this corpus has not are deleted from it, since
    a loader would take them for its own.

    Parameters
    ----------
    folder : Path
    files : iterable of str
        Paths below the folder; nothing else is sent.
    repo : str
        "ORG/NAME"
    message : str
        Of the commit.
    private : bool
        Of a repository that is made now.
    gated : bool
        Whether access is to be asked for, and granted by hand.
    tag : str, optional
        Put on the last commit, such as "v1.0".

    Returns
    -------
    str
        The last commit.

    Raises
    ------
    UserError
        The tag is taken, the repository cannot be written, or the upload was cut.
    MissingPackageError
        huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise MissingPackageError("huggingface-hub", "hub", "Publishing on the Hub") from error
    api: Any = HfApi()
    at: dict[str, Any] = {"repo_id": repo, "repo_type": "dataset"}
    try:
        api.create_repo(**at, private=private, exist_ok=True)
        if tag is not None and any(ref.name == tag for ref in api.list_repo_refs(**at).tags):
            raise UserError(
                f"The tag {tag} of {repo} stands for what was published before: give another."
            )
        if gated:
            api.update_repo_settings(**at, gated="manual")
        commit = api.upload_folder(
            **at,
            folder_path=folder,
            allow_patterns=list(files),
            delete_patterns=[f"{table}/*" for table in _TABLES],
            commit_message=message,
        )
        if tag is not None:
            api.create_tag(**at, tag=tag, revision=commit.oid, tag_message=message)
    except HFValidationError as error:
        raise UserError(f"A repository is named ORG/NAME, got {repo!r} ({error}).") from error
    except (HfHubHTTPError, OSError, RuntimeError, ValueError) as error:
        reason = error.__cause__ or error
        raise UserError(
            f"The upload to {repo} was cut ({str(reason).strip().splitlines()[0]}): check the "
            "token (`hf auth login`, or HF_TOKEN) and the network, and run the same command "
            "again; it goes on where it stopped."
        ) from error
    oid: str = commit.oid
    return oid
