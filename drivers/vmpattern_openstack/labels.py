"""How labels are kept in OpenStack: whole in a server's metadata, and as short tags to list by. Strings only.

A tag of Nova's has at most 60 characters and a metadata value 255, so that a label of 63 fits only there; but Nova
filters by tags only. Tags and metadata are both set in the call that creates. What changes later is in the server's
description, which Nova lets be changed in every state, unlike metadata.
"""

from collections.abc import Mapping

from vmpattern.driver import LaunchRequest, Selector

PREFIX = "vmpattern"
"""The tag of every server of ours, and what the keys of its metadata begin with."""

OUR_TAGS = "vmp."
"""What the tags that labels are listed by begin with."""

TAG_LENGTH = 60
TAGS = 50 - 4
"""So many tags Nova takes beside our own four."""

IMAGE = "vmpattern-image"
"""The image that a server was launched from, which Nova forgets where the root disk is a volume."""

BUILDER = "vmpattern-builder"
"""The server that an image was made of; Nova sets `instance_uuid` to the same, but not in images made of those."""


def server_tags(request: LaunchRequest) -> list[str]:
    """Return the tags of a launch's servers; none is longer than a tag may be, since names are short."""
    return [*selector_tags(Selector(request.deployment, request.fleet)), key_tag(request.key)]


def selector_tags(selector: Selector) -> list[str]:
    """Return the tags that a server must have to be selected."""
    fleet = [f"{OUR_TAGS}fleet={selector.fleet}"] if selector.fleet is not None else []
    return [PREFIX, f"{OUR_TAGS}deployment={selector.deployment}", *fleet]


def key_tag(key: str) -> str:
    """Return the tag of a launch key."""
    return f"{OUR_TAGS}key={key}"


def server_metadata(request: LaunchRequest) -> dict[str, str]:
    """Return the labels of a launch's servers, as they are."""
    return {**request.labels, IMAGE: request.image}


def server_name(request: LaunchRequest) -> str:
    """Return the name of a launch's servers; Nova puts a number after it where there are several."""
    return f"{request.deployment}-{request.fleet.strip('_')}-{request.key[1:9]}"


def mutable_labels(description: str | None) -> dict[str, str]:
    """Return the labels that a description holds; a person's own words hold none."""
    words = (description or "").split()
    pairs = (word.partition("=") for word in words if word.startswith(f"{PREFIX}-"))
    return {key: value for key, equals, value in pairs if equals}


def description(labels: Mapping[str, str]) -> str | None:
    """Return the description that holds labels; one with an empty value is left out, and None means empty."""
    return " ".join(f"{key}={value}" for key, value in sorted(labels.items()) if value) or None
