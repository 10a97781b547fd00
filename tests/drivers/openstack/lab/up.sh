#!/bin/bash
# Starts a real OpenStack control plane on loopback, with a fake hypervisor: what the driver's tests run against.
# Run as root on Debian 12. Starts what isn't running, installs what is missing. See oslab/__main__.py for the rest.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

packages=(
    python3-keystone python3-placement python3-glance python3-neutron python3-nova python3-octavia python3-swift
    python3-pymysql python3-openstacksdk mariadb-server-core mariadb-client-core rabbitmq-server uwsgi-core
    uwsgi-plugin-python3 openssl
)

missing() {
    local package
    for package in "${packages[@]}"; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
    done
}

install_missing() {
    mapfile -t lacking < <(missing)
    ((${#lacking[@]})) || return 0
    echo "installing ${#lacking[@]} packages" >&2
    # Maintainer scripts would start daemons; this file tells them not to.
    local policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
        trap "rm -f $policy" EXIT
    fi
    local apt=(apt-get -y -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-unsafe-io)
    export DEBIAN_FRONTEND=noninteractive
    "${apt[@]}" install --no-install-recommends "${lacking[@]}" >/dev/null || {
        "${apt[@]}" update >/dev/null
        "${apt[@]}" install --no-install-recommends "${lacking[@]}" >/dev/null
    }
}

[[ $(id -u) == 0 ]] || { echo "root is needed" >&2; exit 1; }
grep -q '^12\.' /etc/debian_version 2>/dev/null || { echo "Debian 12 is needed" >&2; exit 1; }
install_missing
exec env PYTHONPATH="$here" /usr/bin/python3 -s -m oslab up "$@"
