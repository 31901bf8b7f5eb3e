"""Hosts and addresses of this service, to which no outbound request may go.

An address is the service's own when an interface of this machine has it, or when a name of the
service resolves to it: behind NAT or a proxy that is the public address of another machine.

On loopback the port decides. Where the operator allows loopback, and always in embedded mode, a
webhook receiver on the same machine is a legitimate use; only the service's own port is the
service. A loopback address other than 127.0.0.1 and ::1 to which a name of the service resolves is
the service's on every port.
"""

import errno
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address

from core.db import settings
from core.net.ip_allowlist import Address, address_in, embedded
from core.settings import LOOPBACK

# Errors of binding an address that no interface has: it is foreign, its family is missing, or it
# lacks its interface. Any other error is no proof. With net.ipv4.ip_nonlocal_bind every address
# looks like an own one, and all are refused.
NOT_OURS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL)


def is_own_name(host: str, port: int) -> bool:
    """Return whether a host names the service; on loopback the port decides."""
    if host in LOOPBACK:
        return port == settings.port
    return any(
        host.endswith(name[1:]) if name.startswith("*.") else host == name
        for name in settings.own_hosts
    )


def names_to_look_up() -> list[str]:
    """Return the service's names to resolve; for a pattern, one name that it matches."""
    names = [name.replace("*", "any", 1) for name in settings.own_hosts]
    return [name for name in names if name not in LOOPBACK and address_in(name) is None]


def is_own(address: Address, port: int, named: Iterable[Address]) -> bool:
    """Return whether an address is the service's own. IPv4 inside IPv6 counts as IPv4.

    `named` are the addresses to which the service's names resolve now.
    """
    written = [found for name in settings.own_hosts if (found := address_in(name)) is not None]
    known = {each for one in (*named, *written) for each in _all_of(one)}
    known -= {address_in(host) for host in LOOPBACK}
    return any(
        each in known or (port == settings.port if each.is_loopback else _is_of_an_interface(each))
        for each in _all_of(address)
    )


def _all_of(address: Address) -> Sequence[Address]:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    return (address, *embedded(address))


def _is_of_an_interface(address: Address) -> bool:
    """Return whether the address can be bound, as those of interfaces can."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError as error:
        return error.errno not in NOT_OURS
    return True
