"""Kubernetes accepts the manifests, and they keep the project's own rules."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import ray

import goat_ray
from tests.cluster.files import CLUSTER, MANIFESTS, nested, objects

KUBERNETES = "1.34"
SCHEMA = json.loads((Path(__file__).with_name("ray_schema.json")).read_text())
OBJECTS = [(f"{file.name}:{one['metadata']['name']}", one) for file in MANIFESTS for one in objects(file)]
RAY = [(name, one) for name, one in OBJECTS if one["apiVersion"].startswith("ray.io")]
PLAIN = [(name, one) for name, one in OBJECTS if not one["apiVersion"].startswith("ray.io")]


def by_name(found: list[tuple[str, dict[str, Any]]]) -> Any:
    return pytest.mark.parametrize("manifest", [one for _, one in found], ids=[name for name, _ in found])


@by_name(PLAIN)
def test_plain_objects_follow_kubernetes_schemas(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@by_name(RAY)
def test_pod_templates_follow_kubernetes_schemas(manifest: dict[str, Any]) -> None:
    templates = [*nested(manifest, "template"), *nested(manifest, "submitterPodTemplate")]
    assert templates
    for template in templates:
        pod = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(template)}
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


@by_name(RAY)
def test_ray_objects_follow_our_schema(manifest: dict[str, Any]) -> None:
    jsonschema.validate(manifest, SCHEMA)


BREAKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a name too long for pods": lambda one: one["metadata"].update(name="a" * 48),
    "no token": lambda one: one["spec"].pop("authOptions"),
    "token off": lambda one: one["spec"]["authOptions"].update(mode="disabled"),
    "work on the head": lambda one: one["spec"]["headGroupSpec"]["rayStartParams"].update({"num-cpus": "4"}),
    "the dashboard to everyone": lambda one: one["spec"]["headGroupSpec"].update(serviceType="LoadBalancer"),
    "root": lambda one: head_pod(one)["securityContext"].update(runAsUser=0),
    "privileged": lambda one: head_pod(one)["containers"][0]["securityContext"].update(privileged=True),
    "the host's network": lambda one: head_pod(one).update(hostNetwork=True),
    "the host's files": lambda one: head_pod(one)["volumes"].append({"name": "h", "hostPath": {"path": "/"}}),
    "no probe": lambda one: head_pod(one)["containers"][0].pop("livenessProbe"),
    "a floating image": lambda one: head_pod(one)["containers"][0].update(image="rayproject/ray:latest"),
    "a secret in plain text": lambda one: head_pod(one)["containers"][0]["env"].append({"name": "A_KEY", "value": "x"}),
    "an unknown field": lambda one: one["spec"].update(headGroup={}),
}


def head_pod(cluster: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = cluster["spec"]["headGroupSpec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize("break_it", BREAKS.values(), ids=BREAKS.keys())
def test_our_schema_refuses(break_it: Callable[[dict[str, Any]], Any]) -> None:
    (cluster,) = objects(CLUSTER / "kuberay" / "gpu-cluster.yaml")
    cluster = json.loads(json.dumps(cluster))  # without YAML's shared parts
    break_it(cluster)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(cluster, SCHEMA)


@by_name(RAY)
def test_worker_groups_can_exist_and_mounts_have_volumes(manifest: dict[str, Any]) -> None:
    for group in [group for groups in nested(manifest, "workerGroupSpecs") for group in groups]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        if "resources" in group["rayStartParams"]:  # quoted twice: YAML, then the shell of `ray start`
            assert list(json.loads(json.loads(group["rayStartParams"]["resources"]))) == [f"pool_{group['groupName']}"]
    for template in nested(manifest, "template"):
        volumes = {volume["name"] for volume in template["spec"]["volumes"]}
        for container in template["spec"]["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            ports = {port["name"] for port in container["ports"]}
            assert container["livenessProbe"]["httpGet"]["port"] in ports


def test_what_manifests_refer_to_is_there() -> None:
    made = {(one["kind"], one["metadata"]["name"]) for _, one in OBJECTS}
    for _, one in RAY:
        for claim in nested(one, "claimName"):
            assert ("PersistentVolumeClaim", claim) in made
        for selector in nested(one, "clusterSelector"):
            assert ("RayCluster", selector["ray.io/cluster"]) in made
    readme = (CLUSTER / "README.md").read_text()
    for secret in {reference["name"] for _, one in OBJECTS for reference in nested(one, "secretKeyRef")}:
        made_by_the_operator = ("RayCluster", secret) in made
        assert made_by_the_operator or f"secret generic {secret}" in readme


def test_the_network_policy_covers_all_pods_and_opens_no_port_to_the_world() -> None:
    (policy,) = [one for _, one in PLAIN if one["kind"] == "NetworkPolicy"]
    labels = policy["spec"]["podSelector"]["matchLabels"]
    for _, one in OBJECTS:
        for template in [*nested(one, "template"), *nested(one, "submitterPodTemplate")]:
            assert labels.items() <= template["metadata"]["labels"].items()
    for rule in policy["spec"]["ingress"]:
        assert rule["from"], "a rule without a source would admit everyone"
        others = [source for source in rule["from"] if source.get("podSelector", {}).get("matchLabels") != labels]
        assert {port["port"] for port in rule.get("ports", [])} <= {8265, 8080}
        assert not others or rule["ports"], "only the cluster's own pods reach all ports"
    (egress,) = nested(policy, "egress")
    assert "169.254.169.254/32" in egress[0]["to"][0]["ipBlock"]["except"]


def test_one_version_of_ray_everywhere() -> None:
    assert {version for _, one in RAY for version in nested(one, "rayVersion")} == {ray.__version__}
    for image in {image for _, one in RAY for image in nested(one, "image")}:
        assert re.fullmatch(rf".+/goat-ray:{re.escape(goat_ray.__version__)}-(cpu|cuda)", image)
