"""What must not be written down or said: passwords in addresses, keys in the environment."""

import os
import re

_NAMES = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "WANDB_API_KEY")


def without_secrets(text: str) -> str:
    """A text without the names, passwords and queries of the addresses in it, nor what the environment keeps secret."""
    text = re.sub(r"(?<=://)[^/@\s]*@", "", text)
    text = re.sub(r"(?<=\w)\?[^\s'\")]*=[^\s'\")]*", "", text)
    for name in _NAMES:
        if value := os.environ.get(name):
            text = text.replace(value, "***")
    return text
