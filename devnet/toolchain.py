"""Programs of the local network: Debian packages, and builds from Go modules.

Kubernetes, the two chains and CoreDNS are built from `devnet/go/<name>` with exact versions. Container images are
assembled here, so that no image registry is required.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from devnet import cache, commands, hermes, images, plan
from devnet.progress import Progress
from ics import errors

SOURCES = Path(__file__).resolve().parent / "go"
KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)
_PACKAGES = {
    "/usr/bin/etcd": "etcd-server",
    "/usr/bin/containerd": "containerd",
    "/usr/sbin/runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "/usr/sbin/iptables": "iptables",
    "/usr/sbin/conntrack": "conntrack",
    "/usr/bin/socat": "socat",
    "/usr/bin/busybox": "busybox-static",
    "/usr/bin/patch": "patch",
    "/usr/sbin/ip": "iproute2",
}


@dataclass(frozen=True, slots=True)
class UpgradeImage:
    """An image for upgrades at a height, which hosts get when they are asked for (`devnet.upgrades`)."""

    name: str
    """Full reference with tag."""
    program: str
    is_second: bool
    """Whether it has the second version of the program, from `devnet/go/chains/second`."""


UPGRADES = (
    UpgradeImage(plan.DEMOCRACY_IMAGE, "interchain-security-cdd", is_second=False),
    UpgradeImage(plan.SECOND_DEMOCRACY_IMAGE, "interchain-security-cdd", is_second=True),
    UpgradeImage(plan.SECOND_CONSUMER_IMAGE, "interchain-security-cd", is_second=True),
    UpgradeImage(plan.PROVIDER_IMAGE, "interchain-security-pd", is_second=False),
    UpgradeImage(plan.SECOND_PROVIDER_IMAGE, "interchain-security-pd", is_second=True),
)


@dataclass(frozen=True, slots=True)
class Tools:
    """Paths of the built programs and images."""

    kubernetes: Path
    """Folder with the Kubernetes programs, including `kubectl`."""
    provider: Path
    """The program `interchain-security-pd`."""
    consumer: Path
    """The program `interchain-security-cd`."""
    coredns: Path
    snapshot_kinds: Path
    """Folder with the CustomResourceDefinitions of VolumeSnapshots."""
    images: tuple[Path, ...]
    """Image archives for every host's containerd."""


def ensure(progress: Progress) -> Tools:
    """Install and build all missing programs.

    Raises:
        Permanent: a package or a module is not available, or a build failed.
    """
    ensure_packages(progress)
    if shutil.which("go") is None:
        raise errors.Permanent("the program go is not installed; install Go 1.26 or later")
    chains = cache.ensure(chains_recipe(), progress)
    pause = cache.ensure(pause_recipe(), progress)
    consumer = cache.ensure(consumer_image_recipe(chains), progress)
    coredns = cache.ensure(coredns_recipe(), progress)
    kubernetes = cache.ensure(kubernetes_recipe(), progress)
    relayer = cache.ensure(hermes.recipe(), progress) / "hermes"
    relayer_image = cache.ensure(hermes.image_recipe(relayer), progress)
    for image in UPGRADES:
        ensure_upgrade(image, progress)
    return Tools(
        kubernetes=kubernetes,
        provider=chains / "interchain-security-pd",
        consumer=chains / "interchain-security-cd",
        coredns=coredns / "coredns",
        snapshot_kinds=cache.ensure(snapshot_kinds_recipe(), progress),
        images=(pause / "image.tar", consumer / "image.tar", relayer_image / "image.tar"),
    )


def ensure_packages(progress: Progress) -> None:
    """Install the missing Debian packages."""
    missing = sorted(package for path, package in _PACKAGES.items() if not Path(path).exists())
    if not missing:
        return
    if os.geteuid() != 0:
        raise errors.Permanent(f"packages are missing; install them as root: {' '.join(missing)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with progress.step(f"installing {', '.join(missing)}", 60):
        commands.run("apt-get", "update", env=quiet, timeout=600)
        commands.run("apt-get", "install", "-y", "--no-install-recommends", *missing, env=quiet, timeout=1800)


def kubernetes_recipe() -> cache.Recipe:
    """Return the recipe of Kubernetes as one binary with a link for each program."""
    package_flags = []
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        major, minor, _ = plan.KUBERNETES_VERSION.removeprefix("v").split(".")
        package_flags += [
            f"-X {package}.gitVersion={plan.KUBERNETES_VERSION}",
            f"-X {package}.gitMajor={major}",
            f"-X {package}.gitMinor={minor}",
            f"-X {package}.gitTreeState=clean",
        ]
    flags = " ".join(["-s -w", *package_flags])

    def build(folder: Path) -> None:
        go_build("kubernetes", flags, folder / "kubernetes", ".")
        for program in KUBERNETES_PROGRAMS:
            (folder / program).symlink_to("kubernetes")

    return cache.Recipe("kubernetes", plan.KUBERNETES_VERSION, sources("kubernetes", flags), build, 420)


def chains_recipe() -> cache.Recipe:
    """Return the recipe of the provider's and the consumer's programs, static for images from scratch."""
    version = f"-X github.com/cosmos/cosmos-sdk/version.Version={plan.CHAINS_VERSION}"
    flags = f"-s -w {version}"
    programs = ("interchain-security-pd", "interchain-security-cd")

    def build(folder: Path) -> None:
        module = "github.com/cosmos/interchain-security/v7/cmd"
        go_build("chains", flags, folder, *(f"{module}/{program}" for program in programs))

    return cache.Recipe("chains", plan.CHAINS_VERSION, sources("chains", flags), build, 240)


def democracy_recipe() -> cache.Recipe:
    """Return the recipe of the consumer's program with governance."""
    flags = f"-s -w -X github.com/cosmos/cosmos-sdk/version.Version={plan.CHAINS_VERSION}"

    def build(folder: Path) -> None:
        go_build(
            "chains", flags, folder, "github.com/cosmos/interchain-security/v7/cmd/interchain-security-cdd"
        )

    return cache.Recipe("democracy", plan.CHAINS_VERSION, sources("chains", flags), build, 30)


def second_versions_recipe() -> cache.Recipe:
    """Return the recipe of the second versions of the provider's and both consumers' programs."""
    flags = f"-s -w -X github.com/cosmos/cosmos-sdk/version.Version={plan.SECOND_VERSION}"
    programs = sorted(path for path in (SOURCES / "chains" / "second").rglob("*.go"))

    def build(folder: Path) -> None:
        names = sorted({path.parent.name for path in programs if path.name == "main.go"})
        go_build("chains", flags, folder, *(f"./second/{name}" for name in names))

    contents = (part for path in programs for part in (str(path.relative_to(SOURCES)), path.read_bytes()))
    ingredients = (*sources("chains", flags), *contents)
    return cache.Recipe("second-chains", plan.SECOND_VERSION, ingredients, build, 60)


def remote_signer_recipe() -> cache.Recipe:
    """Return the recipe of a remote signer for tests."""
    flags = "-s -w"
    program = SOURCES / "chains" / "remote-signer" / "main.go"

    def build(folder: Path) -> None:
        go_build("chains", flags, folder / "remote-signer", "./remote-signer")

    ingredients = (*sources("chains", flags), program.read_bytes())
    return cache.Recipe("remote-signer", plan.CHAINS_VERSION, ingredients, build, 60)


def coredns_recipe() -> cache.Recipe:
    """Return the recipe of CoreDNS with the few required plugins."""
    flags = "-s -w"

    def build(folder: Path) -> None:
        go_build("coredns", flags, folder / "coredns", ".")

    return cache.Recipe("coredns", plan.COREDNS_VERSION, sources("coredns", flags), build, 90)


def snapshot_kinds_recipe() -> cache.Recipe:
    """Return the recipe of the CustomResourceDefinitions of VolumeSnapshots, as their project publishes them."""
    module = f"github.com/kubernetes-csi/external-snapshotter/client/{plan.SNAPSHOTS_VERSION.split('.')[0]}"

    def build(folder: Path) -> None:
        found = commands.run(
            *("go", "mod", "download", "-json", module),
            folder=SOURCES / "snapshots",
            env={"GOFLAGS": "-mod=mod", "GOWORK": "off"},
            timeout=600,
        )
        source = Path(json.loads(found)["Dir"]) / "config" / "crd"
        for path in source.glob("snapshot.storage.k8s.io_*.yaml"):
            (folder / path.name).write_bytes(path.read_bytes())

    ingredients = sources("snapshots", module)
    return cache.Recipe("snapshot-kinds", plan.SNAPSHOTS_VERSION, ingredients, build, 5)


def pause_recipe() -> cache.Recipe:
    """Return the recipe of the image for the process that holds a pod's namespaces."""

    def build(folder: Path) -> None:
        image = images.Image(plan.SANDBOX_IMAGE, ("/bin/busybox", "sleep", "2147483647"), ())
        images.write_archive(image, folder / "image.tar")

    return cache.Recipe("pause-image", "1", (images.source(), plan.SANDBOX_IMAGE), build, 1)


def consumer_image_recipe(chains: Path) -> cache.Recipe:
    """Return the recipe of the consumer chain's image, with its published name, from scratch."""
    program = chains / "interchain-security-cd"
    environment = tuple(f"{name}={value}" for name, value in plan.GO_SETTINGS.items())

    def build(folder: Path) -> None:
        image = images.Image(plan.CONSUMER_IMAGE, ("/bin/sh",), (program,), environment=environment)
        images.write_archive(image, folder / "image.tar")

    ingredients = (images.source(), plan.CONSUMER_IMAGE, chains.name, *environment)
    return cache.Recipe("consumer-image", plan.CHAINS_VERSION, ingredients, build, 3)


def ensure_upgrade(image: UpgradeImage, progress: Progress) -> Path:
    """Return the archive of an image for upgrades, built first if necessary."""
    if image.is_second:
        programs = cache.ensure(second_versions_recipe(), progress)
    elif image.name == plan.DEMOCRACY_IMAGE:
        programs = cache.ensure(democracy_recipe(), progress)
    else:
        programs = cache.ensure(chains_recipe(), progress)
    return cache.ensure(_upgrade_image_recipe(image, programs), progress) / "image.tar"


def _upgrade_image_recipe(image: UpgradeImage, programs: Path) -> cache.Recipe:
    environment = tuple(f"{name}={value}" for name, value in plan.GO_SETTINGS.items())
    name, _, version = image.name.rpartition("/")[2].partition(":")

    def build(folder: Path) -> None:
        content = images.Image(image.name, ("/bin/sh",), (programs / image.program,), environment=environment)
        images.write_archive(content, folder / "image.tar")

    ingredients = (images.source(), image.name, programs.name, image.program, *environment)
    return cache.Recipe(f"{name}-image", version, ingredients, build, 3)


def sources(name: str, flags: str) -> tuple[str | bytes, ...]:
    """Return the inputs of a build of a module in `devnet/go`."""
    files = sorted(path for path in (SOURCES / name).iterdir() if path.is_file())
    return (flags, *(part for path in files for part in (path.name, path.read_bytes())))


def go_build(name: str, flags: str, output: Path, *packages: str) -> None:
    """Build Go programs with the versions of a module in `devnet/go`.

    Args:
        name: name of the module.
        flags: flags of the linker.
        output: a file, or a folder for several programs.
        packages: packages to build, after additional options of `go build`.
    """
    # The death signal ends the compiler with this process, so that a killed run leaves no running build.
    target = f"{output}/" if output.is_dir() else str(output)
    commands.run(
        *("setpriv", "--pdeathsig", "KILL", "go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false"),
        *("-ldflags", flags, "-o", target, *packages),
        folder=SOURCES / name,
        env={"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"},
        timeout=3600,
    )
