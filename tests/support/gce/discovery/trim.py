"""Writes the trimmed discovery documents beside it, from the wheel of google-api-python-client:

    pip download --no-deps google-api-python-client
    python tests/support/gce/discovery/trim.py google_api_python_client-*.whl

Only the methods that vmpattern's tests use are kept, with the schemas that they reach, and of those no prose.
"""

import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
DOCUMENTS = "googleapiclient/discovery_cache/documents"
METHODS = {
    "compute.v1": """
        compute.backendServices.get compute.backendServices.getHealth compute.backendServices.insert
        compute.disks.aggregatedList compute.disks.get compute.disks.insert
        compute.globalOperations.aggregatedList compute.globalOperations.get compute.globalOperations.wait
        compute.healthChecks.get compute.healthChecks.insert
        compute.images.delete compute.images.get compute.images.getFromFamily compute.images.insert compute.images.list
        compute.images.setLabels
        compute.instanceGroups.addInstances compute.instanceGroups.get compute.instanceGroups.insert
        compute.instanceGroups.listInstances compute.instanceGroups.removeInstances
        compute.instances.aggregatedList compute.instances.bulkInsert compute.instances.delete compute.instances.get
        compute.instances.getSerialPortOutput compute.instances.insert compute.instances.list
        compute.instances.setLabels compute.instances.stop
        compute.diskTypes.aggregatedList compute.diskTypes.get compute.diskTypes.list
        compute.machineTypes.aggregatedList compute.machineTypes.get compute.machineTypes.list
        compute.networks.get compute.networks.list compute.projects.get
        compute.regionBackendServices.get compute.regionBackendServices.getHealth compute.regionBackendServices.insert
        compute.regionHealthChecks.get compute.regionHealthChecks.insert
        compute.regionOperations.get compute.regionOperations.wait
        compute.regions.get compute.regions.list compute.subnetworks.get
        compute.zoneOperations.get compute.zoneOperations.list compute.zoneOperations.wait
        compute.zones.get compute.zones.list
    """,
    "monitoring.v3": "monitoring.projects.timeSeries.list",
}
PROSE = {"description", "enumDescriptions", "enumDeprecated", "deprecated", "scopes", "apiVersion", "path"}
KEPT = ("name", "version", "revision", "rootUrl", "servicePath", "batchPath")


def trimmed(document: dict[str, Any], wanted: set[str]) -> dict[str, Any]:
    """Return the document with the wanted methods, by id, and the schemas that they reach."""
    methods = {one["id"]: one for one in all_methods(document) if one["id"] in wanted}
    if missing := wanted - set(methods):
        raise SystemExit(f"the document has no {', '.join(sorted(missing))}")
    schemas: dict[str, Any] = {}
    todo = list(references(list(methods.values())))
    while todo:
        name = todo.pop()
        if name not in schemas:
            schemas[name] = document["schemas"][name]
            todo += references(schemas[name])
    parts = {"parameters": document["parameters"], "methods": methods, "schemas": schemas}
    return {key: document[key] for key in KEPT} | {name: plain(part, name) for name, part in parts.items()}


def all_methods(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from all_methods(inner)


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def plain(value: object, at: str = "") -> object:
    """Return the value without prose; under `properties` and the like, keys are names and stay."""
    if isinstance(value, dict):
        names = at in ("properties", "parameters", "schemas", "methods")
        return {key: plain(inner, key) for key, inner in sorted(value.items()) if names or key not in PROSE}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def main(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name, wanted in METHODS.items():
            document = json.loads(archive.read(f"{DOCUMENTS}/{name}.json"))
            text = json.dumps(trimmed(document, set(wanted.split())), separators=(",", ":"))
            # A line for each schema and method: differences of a new revision can be read.
            (FOLDER / f"{name}.json").write_text(
                re.sub(r'(?<=\}),(?="\w[\w.]*":\{"(?:id|flatPath)")', ",\n", text) + "\n"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
