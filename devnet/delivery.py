"""Import of additional images into one host's containerd."""

from pathlib import Path

from devnet import commands, configs, hosts, images, places
from devnet.plan import Host


def deliver(host: Host, image: images.Image) -> None:
    """Write and import an image; it replaces an image of the same name."""
    home = places.host_state(host.name)
    archive = home / "delivered.tar"
    images.write_archive(image, archive)
    import_archive(host, archive)
    archive.unlink()


def import_archive(host: Host, archive: Path) -> None:
    """Import the image in an archive; it replaces an image of the same name."""
    home = places.host_state(host.name)
    control = ["ctr", "--address", str(configs.containerd_socket(home)), "--namespace", "k8s.io"]
    commands.run(*hosts.inside(host, [*control, "images", "import", str(archive)]), timeout=300)
