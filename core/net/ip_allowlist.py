"""Public internet addresses, and networks that the operator allows."""

import ipaddress
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# The position of the IPv4 address in it is known to its operator alone.
LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
# Public by their numbers; inside clouds they lead to metadata and agents of the machine.
OF_CLOUDS = (ipaddress.IPv4Network("168.63.129.16/32"), ipaddress.IPv4Network("192.0.0.0/24"))


def is_allowed(address: Address, networks: Networks) -> bool:
    """Return whether an address is public or in one of the networks."""
    return is_in(address, networks) or is_public(address)


def is_public(address: Address) -> bool:
    """Return whether an address, and each IPv4 address embedded in it, is public."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        inside = embedded(address)
        if inside:
            return all(is_public(each) for each in inside)
        special = address.is_site_local or address in LOCAL_NAT64
    else:
        special = any(address in network for network in OF_CLOUDS)
    closed = (
        address.is_multicast or address.is_reserved or address.is_private or address.is_unspecified
    )
    return address.is_global and not (closed or special)


def embedded(address: Address) -> list[Address]:
    """Return the IPv4 addresses to which packets for an IPv6 address may finally go."""
    if isinstance(address, IPv4Address):
        return []
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    if address in NAT64:
        return [IPv4Address(int(address) & 0xFFFF_FFFF)]
    return []


def is_in(address: Address, networks: Networks) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any((mapped or address) in network for network in networks)


def address_in(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
