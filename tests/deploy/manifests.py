"""The Kubernetes manifests as kustomize puts them together: a base, and patches laid over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.docs.markdown import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())

Manifest = dict[str, Any]


def documents(path: Path) -> list[Manifest]:
    """Return the manifests of a file."""
    return list(yaml.safe_load_all(path.read_text()))


def kustomization(directory: Path) -> Manifest:
    """Return what a directory puts together."""
    (found,) = documents(directory / "kustomization.yaml")
    return found


def base() -> list[Manifest]:
    """Return the manifests of the base, with its ConfigMap as kustomize makes it."""
    described = kustomization(KUBERNETES / "base")
    found = [
        manifest
        for name in described["resources"]
        for manifest in documents(KUBERNETES / "base" / name)
    ]
    for manifest in found:
        if manifest["kind"] != "Namespace":
            manifest["metadata"]["namespace"] = described["namespace"]
    return found


def overlaid(overlay: str) -> list[Manifest]:
    """Return the base's manifests under the components and patches of an overlay."""
    directory = KUBERNETES / "overlays" / overlay
    described = kustomization(directory)
    manifests = base()
    for name in described.get("components", ()):
        component = directory / name
        manifests += [
            manifest
            for resource in kustomization(component).get("resources", ())
            for manifest in documents(component / resource)
            # What an operator brings has schemas of its own.
            if not manifest["apiVersion"].startswith("monitoring.coreos.com/")
        ]
        _lay(manifests, component)
    _lay(manifests, directory)
    return manifests


def _lay(manifests: list[Manifest], directory: Path) -> None:
    """Lay the patches of a directory over manifests."""
    for patch in kustomization(directory).get("patches", ()):
        for patched in documents(directory / patch["path"]):
            (target,) = [each for each in manifests if _name(each) == _name(patched)]
            manifests[manifests.index(target)] = merged(target, patched)


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """Return the manifest of a kind and name."""
    (found,) = [each for each in of_kind(manifests, kind) if each["metadata"]["name"] == name]
    return found


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Return the manifests of one kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def merged(value: Any, patch: Any) -> Any:
    """Lay a patch over a value: maps by key, lists of named things by name, all else replaced."""
    if isinstance(value, dict) and isinstance(patch, dict):
        laid = {key: merged(value.get(key), changed) for key, changed in patch.items()}
        return {**value, **laid}
    if _is_named(value) and _is_named(patch):
        by_name = {each["name"]: each for each in value}
        return list(
            (
                by_name | {each["name"]: merged(by_name.get(each["name"]), each) for each in patch}
            ).values()
        )
    return patch


def _is_named(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, dict) and "name" in each for each in value
    )


def _name(manifest: Manifest) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata["name"], metadata.get("namespace", "")
