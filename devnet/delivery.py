"""Hands an image to one host's containerd, for what not every network needs."""

from devnet import commands, configs, hosts, images, places
from devnet.plan import Host


def deliver(host: Host, image: images.Image) -> None:
    """Writes the image and imports it; one of the same name is replaced."""
    home = places.host_state(host.name)
    archive = home / "delivered.tar"
    images.write_archive(image, archive)
    control = ["ctr", "--address", str(configs.containerd_socket(home)), "--namespace", "k8s.io"]
    commands.run(*hosts.inside(host, [*control, "images", "import", str(archive)]), timeout=300)
    archive.unlink()
