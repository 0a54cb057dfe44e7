"""Where pods may run, and what else a cluster demands of them: settings for the stack and for single definitions; pure.

Values below `tolerations`, `affinity` and `topology_spread` are Kubernetes' own, in its spelling.
"""

import datetime
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import pydantic

from ics.config import base
from ics.cosmos import canonical_json

_NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(rf"([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME}")
_VALUE = re.compile(rf"({_NAME})?")
_OBJECT_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_RESERVED = re.compile(
    r"app\.kubernetes\.io/(managed-by|component)|(ics-operator\.dev|applyset\.kubernetes\.io|pulumi\.com)/.*"
    r"|job-name|controller-uid|controller-revision-hash|pod-template-hash"
    r"|((statefulset|batch|apps)\.kubernetes\.io)/.*"
)
"""Keys by which this program, both engines, and Kubernetes' own controllers find their objects."""


def _keys(values: Mapping[str, str]) -> Mapping[str, str]:
    for key in values:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a key of Kubernetes; use [domain/]name")
    return values


def _labels(values: Mapping[str, str]) -> Mapping[str, str]:
    for key, value in _keys(values).items():
        if not _VALUE.fullmatch(value):
            raise ValueError(
                f"{key}: {value!r} is not a label's value; use at most 63 letters, digits, - _ and ."
            )
    return values


def _not_reserved(values: Mapping[str, str]) -> Mapping[str, str]:
    for key in values:
        if _RESERVED.fullmatch(key):
            raise ValueError(f"{key} is how this program or Kubernetes finds its objects; use another key")
    return values


def _key(key: str) -> str:
    _keys({key: ""})
    return key


def _object_name(name: str) -> str:
    if not _OBJECT_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of an object; use lower-case letters, digits, - and .")
    return name


_DEEPEST: Final = 16
"""Levels of nesting; YAML can write a mapping that contains itself."""
_INTEGERS: Final = range(-(2**63), 2**63)
_OF_TEXTS: Final = ("values", "matchLabels")
"""Members of a Kubernetes object whose values are texts, also where YAML reads a number: lists and mappings."""


def _kubernetes(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a part of a Kubernetes object that JSON, and so the API server, can hold.

    Raises:
        ValueError: it cannot; the message names the member.
    """
    cleaned = _held(values, (), wants_text=False)
    return cleaned if isinstance(cleaned, Mapping) else {}


def _held(value: object, path: tuple[str, ...], *, wants_text: bool) -> object:
    where = ".".join(path)
    if len(path) >= _DEEPEST:
        raise ValueError(f"{'.'.join(path[:3])}…: nested too deeply; remove it")
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, str)), None)
        if wrong is not None:
            raise ValueError(f"{where}: key {wrong!r} is not text; put it in quotes")
        return {
            key: _held(inner, (*path, key), wants_text=wants_text or key in _OF_TEXTS)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_held(item, (*path, str(at)), wants_text=wants_text) for at, item in enumerate(value)]
    if isinstance(value, int | float) and not isinstance(value, bool) and wants_text:
        return base.as_text(value)
    problem = _unholdable(value, wants_text)
    if problem:
        raise ValueError(f"{where}: {problem}")
    return value


def _unholdable(value: object, wants_text: bool) -> str:
    """Return why a Kubernetes object cannot hold a value; empty if it can."""
    if value is None:
        return "has no value; give one, or remove the key"
    if isinstance(value, datetime.date | datetime.time):
        return "a date where text is expected; put it in quotes"
    if isinstance(value, bool) and wants_text:
        return "true or false where text is expected; put it in quotes"
    if isinstance(value, int) and value in _INTEGERS:
        return ""
    if isinstance(value, int | float):
        return f"{value!r} is not a whole number of 64 bits; correct it"
    if not isinstance(value, str):
        return f"a {type(value).__name__}, which JSON does not know; write text, a number or a list"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "not valid Unicode; correct it"
    return ""


KubernetesPart = Annotated[Mapping[str, Any], pydantic.AfterValidator(_kubernetes)]
"""A part of a Kubernetes object, in its own spelling."""
Selector = Annotated[Mapping[str, str], pydantic.AfterValidator(_labels)]
Labels = Annotated[
    Mapping[str, str], pydantic.AfterValidator(_labels), pydantic.AfterValidator(_not_reserved)
]
Annotations = Annotated[
    Mapping[str, str], pydantic.AfterValidator(_keys), pydantic.AfterValidator(_not_reserved)
]
Key = Annotated[str, pydantic.AfterValidator(_key)]
ObjectName = Annotated[str, pydantic.AfterValidator(_object_name)]


class Toleration(base.Frozen):
    """A toleration, in Kubernetes' own spelling."""

    key: Key | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    tolerationSeconds: int | None = None

    @pydantic.model_validator(mode="after")
    def _is_one(self) -> "Toleration":
        if self.operator == "Exists" and self.value:
            raise ValueError("operator Exists takes no value; remove it")
        if self.key is None and self.operator != "Exists":
            raise ValueError("a toleration without a key needs operator: Exists; add one of them")
        if self.tolerationSeconds is not None and self.effect != "NoExecute":
            raise ValueError("tolerationSeconds needs effect: NoExecute; add it")
        return self


class Affinity(base.Frozen):
    """The parts of an affinity, in Kubernetes' own spelling."""

    nodeAffinity: KubernetesPart | None = None
    podAffinity: KubernetesPart | None = None
    podAntiAffinity: KubernetesPart | None = None


class TopologySpread(base.Frozen):
    """A topology spread constraint, in Kubernetes' own spelling."""

    maxSkew: int = pydantic.Field(ge=1)
    topologyKey: Key
    whenUnsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    labelSelector: KubernetesPart | None = None
    minDomains: int | None = None
    matchLabelKeys: tuple[str, ...] | None = None
    nodeAffinityPolicy: Literal["Honor", "Ignore"] | None = None
    nodeTaintsPolicy: Literal["Honor", "Ignore"] | None = None


class PodSettings(base.Frozen):
    """Scheduling, pull secrets, labels and annotations of pods."""

    node_selector: Selector = pydantic.Field(default_factory=dict)
    """Labels that a host must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Tolerations of hosts' taints, as in a pod."""
    affinity: Affinity = Affinity.defaults()
    """Affinity, as in a pod: nodeAffinity, podAffinity, podAntiAffinity."""
    topology_spread: tuple[TopologySpread, ...] = ()
    """Topology spread constraints, as in a pod."""
    image_pull_secrets: tuple[ObjectName, ...] = ()
    """Secrets with the registry's credentials, by their names in the gateway's namespace; they are copied to the
    namespaces of the chains."""
    priority_class: ObjectName | Literal[""] = ""
    """Name of a PriorityClass; empty: the cluster's default."""
    labels: Labels = pydantic.Field(default_factory=dict)
    """Further labels of the pods."""
    annotations: Annotations = pydantic.Field(default_factory=dict)
    """Further annotations of the pods."""

    def merged(self, own: "PodSettings") -> "PodSettings":
        """Return these settings with more particular ones: mappings are merged by key, everything else replaced."""
        affinity = {**_set_fields(self.affinity), **_set_fields(own.affinity)}
        return PodSettings(
            node_selector={**self.node_selector, **own.node_selector},
            tolerations=own.tolerations or self.tolerations,
            affinity=Affinity.model_validate(affinity),
            topology_spread=own.topology_spread or self.topology_spread,
            image_pull_secrets=own.image_pull_secrets or self.image_pull_secrets,
            priority_class=own.priority_class or self.priority_class,
            labels={**self.labels, **own.labels},
            annotations={**self.annotations, **own.annotations},
        )

    def digest(self) -> str:
        """Return a short digest of everything that these settings add to a pod."""
        content = canonical_json.encode(
            {"spec": self.spec(), "labels": dict(self.labels), "annotations": dict(self.annotations)}
        )
        return canonical_json.sha256_hex(content)[:16]

    def spec(self) -> dict[str, Any]:
        """Return the fields of a pod's `spec` that are set."""
        fields: dict[str, Any] = {
            "nodeSelector": dict(self.node_selector),
            "tolerations": [_set_fields(toleration) for toleration in self.tolerations],
            "affinity": _set_fields(self.affinity),
            "topologySpreadConstraints": [_set_fields(constraint) for constraint in self.topology_spread],
            "imagePullSecrets": [{"name": name} for name in self.image_pull_secrets],
            "priorityClassName": self.priority_class,
        }
        return {name: value for name, value in fields.items() if value}


def _set_fields(group: pydantic.BaseModel) -> dict[str, Any]:
    return group.model_dump(
        mode="json", exclude_none=True, exclude_defaults=not isinstance(group, Toleration)
    )
