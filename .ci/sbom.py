"""The parts that annotune is installed with here, as a CycloneDX list (cyclonedx.org, version 1.5); see `make sbom`.

Each package has its version, its licence as its authors state it, and what it needs; the default base model has the
fingerprint that it is accepted with. The same installation gives the same bytes.
"""

import json
import sys
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

from annotune.network.known_bases import KNOWN_BASES
from annotune.replication.papers import installed, needed_by


def sbom() -> dict[str, object]:
    """The list as CycloneDX has it."""
    versions = installed()
    main, base = component("annotune", versions.pop("annotune")), KNOWN_BASES["minilm"]
    model = {
        "type": "machine-learning-model",
        "bom-ref": base.model,
        "name": base.model,
        "version": base.sha256[:12],
        "hashes": [{"alg": "SHA-256", "content": base.sha256}],
        "licenses": [{"license": {"id": base.licence}}],
    }
    parts = [component(name, version) for name, version in versions.items()]
    refs = {part["name"]: part["bom-ref"] for part in (main, *parts)}
    needs = [
        {"ref": ref, "dependsOn": sorted(refs[need] for need in needed_by(str(name)) if need in refs)}
        for name, ref in refs.items()
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**main, "type": "application"}},
        "components": [*parts, model],
        "dependencies": needs,
    }


def component(name: str, version: str) -> dict[str, object]:
    """A package of the index."""
    ref = f"pkg:pypi/{name}@{quote(version)}"
    about = metadata.metadata(name)
    licence = about.get("License-Expression") or (about.get("License") or "").strip().partition("\n")[0][:80]
    licences = {"licenses": [{"license": {"name": licence}}]} if licence else {}
    return {"type": "library", "bom-ref": ref, "name": name, "version": version, "purl": ref, **licences}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(sbom(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"Wrote {sys.argv[1]}.")
