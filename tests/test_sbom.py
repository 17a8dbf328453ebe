"""The list of parts names every package that is needed once, and what it says of dependencies leads nowhere else."""

import runpy
from pathlib import Path

from annotune.network.known_bases import MINILM_SHA256
from annotune.replication.papers import installed

ROOT = Path(__file__).parents[1]


def test_every_package_of_the_lock_is_a_part_and_so_is_the_default_base():
    content = runpy.run_path(str(ROOT / ".ci" / "sbom.py"))["sbom"]()
    libraries = [part for part in content["components"] if part["type"] == "library"]
    (model,) = (part for part in content["components"] if part["type"] == "machine-learning-model")
    main = content["metadata"]["component"]
    assert {part["name"]: part["version"] for part in (main, *libraries)} == installed()
    assert model["hashes"] == [{"alg": "SHA-256", "content": MINILM_SHA256}]
    refs = [part["bom-ref"] for part in (main, *content["components"])]
    assert len(set(refs)) == len(refs)
    depends = {entry["ref"]: entry["dependsOn"] for entry in content["dependencies"]}
    assert set(depends) == set(refs) - {model["bom-ref"]}
    assert {ref for needs in depends.values() for ref in needs} <= set(refs)
    by_name = {part["name"]: part["bom-ref"] for part in libraries}
    assert {by_name["torch"], by_name["polars"]} <= set(depends[main["bom-ref"]])
    assert by_name["numpy"] in depends[by_name["scipy"]]
    torch = next(part for part in libraries if part["name"] == "torch")
    assert "BSD" in torch["licenses"][0]["license"]["name"]
    assert "+" not in torch["purl"]
