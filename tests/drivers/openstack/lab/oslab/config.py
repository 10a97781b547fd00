"""The services' configuration, written from the templates in etc/."""

from string import Template

from oslab.place import HERE, IP, PASSWORD, PORTS, REGION, SWIFT_PORTS, Place, url

SERVICE_USER = f"""\
auth_url = {url("keystone")}
auth_type = password
username = svc
password = {PASSWORD}
project_name = service
user_domain_id = default
project_domain_id = default"""
ASKS = f"{SERVICE_USER}\nregion_name = {REGION}"
VALIDATES = f"""\
www_authenticate_uri = {url("keystone")}
{SERVICE_USER}
service_token_roles = service
service_token_roles_required = true"""
DATABASE = f"mysql+pymysql://oslab:{PASSWORD}@{IP}:{PORTS['mariadb']}"
MESSAGES = f"rabbit://guest:guest@{IP}:{PORTS['rabbitmq']}/"
USERS = {
    "oslab": ("demo", "demo"),
    "oslab-alt": ("alt", "alt"),
    "oslab-admin": ("admin", "admin"),
    "oslab-guest": ("guest", "demo"),
}
"""The clouds of clouds.yaml, each with its user and its project."""

NEUTRON_PLUGIN = "[neutron.ml2.mechanism_drivers]\noslab = oslab_ml2:OslabMechanismDriver\n"


def write(place: Place) -> None:
    """Write every file."""
    values = {
        **{name.replace("-", "_"): str(port) for name, port in PORTS.items()},
        **{f"swift_{name}": str(port) for name, port in SWIFT_PORTS.items()},
        "ip": IP,
        "state": str(place.state),
        "etc": str(place.etc),
        "log": str(place.folder("log")),
        "database": DATABASE,
        "messages": MESSAGES,
        "asks": ASKS,
        "validates": VALIDATES,
        "max_limit": str(place.max_limit),
        "token_s": str(place.token_s),
    }
    for template in (HERE / "etc").iterdir():
        (place.etc / template.name).write_text(Template(template.read_text()).substitute(values))
    for number in range(1, place.computes + 1):
        (place.etc / f"compute{number}.conf").write_text(f"[DEFAULT]\nhost = oslab{number}\n")
    # What makes Neutron find the plugin: the entry point of a distribution that is there in name only.
    distribution = place.folder("plugins/oslab-1.0.dist-info")
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: oslab\nVersion: 1.0\n")
    (distribution / "entry_points.txt").write_text(NEUTRON_PLUGIN)
    (place.state / "clouds.yaml").write_text("clouds:\n" + "".join(map(_cloud, USERS)))


def _cloud(name: str) -> str:
    user, project = USERS[name]
    return f"""\
  {name}:
    auth:
      auth_url: {url("keystone", "/v3")}
      username: {user}
      password: {PASSWORD}
      project_name: {project}
      user_domain_id: default
      project_domain_id: default
    region_name: {REGION}
    identity_api_version: 3
"""
