"""A real OpenStack on loopback: Keystone, Placement, Glance, Neutron, Nova, Swift, and an Octavia that does nothing.

Runs on the system's Python with Debian's packages, not in the environment of the tests.
"""
