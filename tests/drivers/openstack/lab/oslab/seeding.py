"""What is in the cloud from the start: users and endpoints, then flavors, an image, networks and a balancer.

Each step looks for what it would make, so it may run again.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import openstack

from oslab.place import PASSWORD, REGION, LabError, url

PATIENCE_S = 120.0
ENDPOINTS = {
    "compute": ("nova", url("nova-api", "/v2.1")),
    "placement": ("placement", url("placement")),
    "image": ("glance", url("glance")),
    "network": ("neutron", url("neutron")),
    "load-balancer": ("octavia", url("octavia-api")),
    "object-store": ("swift", url("swift", "/v1/AUTH_%(project_id)s")),
}
PEOPLE = {
    "svc": ("service", ("admin", "service")),
    "demo": ("demo", ("member", "reader", "load-balancer_member")),
    "alt": ("alt", ("member", "reader", "load-balancer_member")),
    "guest": ("demo", ("reader",)),
}
CONTENTS = " ".join(sorted({*ENDPOINTS, *PEOPLE}))
"""What tells a state of another version."""
FLAVORS = {
    "oslab.nano": (1, 64, 1),
    "oslab.small": (1, 2048, 20),
    "oslab.medium": (2, 4096, 40),
    "oslab.large": (4, 8192, 80),
}
IMAGE = b"nothing that boots\n" * 64
Answer = TypeVar("Answer")


def connect(name: str) -> "openstack.connection.Connection":
    """Return a connection as the user and project of that name."""
    return openstack.connect(
        auth_url=url("keystone"),
        username=name,
        password=PASSWORD,
        project_name=name,
        user_domain_id="default",
        project_domain_id="default",
        region_name=REGION,
    )


def patiently(call: Callable[[], Answer], what: str) -> Answer:
    """Call until it succeeds.

    Raises:
        LabError: it didn't in time; says how it failed last.
    """
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except Exception as error:
            if time.monotonic() > end:
                raise LabError(f"{what}: {error}") from error
            time.sleep(0.3)


def users_and_endpoints() -> None:
    """Make the services' user, the tenants, somebody who may only look, and the catalogue."""
    identity = connect("admin").identity
    there = {service.type for service in patiently(lambda: list(identity.services()), "keystone")}
    for kind in ENDPOINTS.keys() - there:
        name, address = ENDPOINTS[kind]
        service = identity.create_service(type=kind, name=name)
        for interface in ("public", "internal"):
            identity.create_endpoint(service_id=service.id, interface=interface, url=address, region_id=REGION)
    roles = {role.name: role for role in identity.roles()}
    for name in {"service", "load-balancer_member"} - roles.keys():
        roles[name] = identity.create_role(name=name)
    for name, (project_name, wanted) in PEOPLE.items():
        project = identity.find_project(project_name) or identity.create_project(name=project_name, domain_id="default")
        user = identity.find_user(name) or identity.create_user(name=name, password=PASSWORD, domain_id="default")
        for role in wanted:
            identity.assign_project_role_to_user(project, user, roles[role])


def things() -> None:
    """Make what tests launch from, launch on and launch behind."""
    admin = connect("admin")
    flavors = {flavor.name for flavor in patiently(lambda: list(admin.compute.flavors()), "nova")}
    for name in FLAVORS.keys() - flavors:
        vcpus, ram, disk = FLAVORS[name]
        admin.compute.create_flavor(name=name, vcpus=vcpus, ram=ram, disk=disk)
    if "oslab-image" not in {image.name for image in patiently(lambda: list(admin.image.images()), "glance")}:
        form = {"disk_format": "raw", "container_format": "bare", "visibility": "public"}
        admin.create_image("oslab-image", data=IMAGE, wait=True, os_distro="debian", os_version="12", **form)
    patiently(lambda: list(admin.network.networks()), "neutron")
    _networks(admin.network, connect("demo"))
    patiently(lambda: next(iter(admin.compute.hypervisors())), "nova-compute")


def _networks(everybody: object, demo: "openstack.connection.Connection") -> None:
    public = everybody.find_network("oslab-public")
    if public is None:
        public = everybody.create_network(name="oslab-public", is_router_external=True)
        _subnet(everybody, public, "127.88")
    network = demo.network.find_network("oslab-net")
    if network is None:
        network = demo.network.create_network(name="oslab-net")
        subnet = _subnet(demo.network, network, "127.77")
        router = demo.network.create_router(name="oslab-router", external_gateway_info={"network_id": public.id})
        demo.network.add_interface_to_router(router, subnet_id=subnet.id)
    (subnet,) = demo.network.subnets(network_id=network.id)
    _balancer(demo.load_balancer, subnet)


def _subnet(network: object, of: object, prefix: str) -> object:
    # In 127/8 on purpose: what listens on every address of this machine answers at a server's.
    return network.create_subnet(
        network_id=of.id,
        name=f"{of.name}4",
        ip_version=4,
        cidr=f"{prefix}.0.0/16",
        is_dhcp_enabled=False,
        gateway_ip=f"{prefix}.0.1",
    )


def _balancer(octavia: object, subnet: object) -> None:
    """Make a balancer with a listener and the pool `oslab-pool`, each after the one before is ready."""

    def settled() -> object:
        found = octavia.find_load_balancer("oslab-balancer")
        if found.provisioning_status != "ACTIVE":
            raise LabError(f"oslab-balancer is {found.provisioning_status}")
        return found

    if patiently(lambda: octavia.find_load_balancer("oslab-balancer"), "octavia") is None:
        octavia.create_load_balancer(name="oslab-balancer", vip_subnet_id=subnet.id)
    balancer = patiently(settled, "the balancer")
    listener = octavia.find_listener("oslab-listener") or octavia.create_listener(
        name="oslab-listener", protocol="TCP", protocol_port=80, load_balancer_id=balancer.id
    )
    patiently(settled, "the listener")
    if octavia.find_pool("oslab-pool") is None:
        how = {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}
        octavia.create_pool(name="oslab-pool", listener_id=listener.id, **how)
    patiently(settled, "the pool")
