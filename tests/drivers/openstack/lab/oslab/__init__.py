"""A real OpenStack on loopback: Keystone, Placement, Glance, Neutron, Nova and Octavia with drivers that do nothing.

Runs on the system's Python with Debian's packages, not in the environment of the tests.
"""
