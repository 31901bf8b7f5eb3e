"""Which hosts and addresses lead to this service itself: no webhook and no check of a link goes there, whatever is allowed.

An address of the network is the service's own when an interface of this machine has it, or when a name by which the service is
reached leads to it, which behind NAT or a proxy is the public address of another machine.

Loopback is decided by the port. Where the operator allows it, and always in embedded mode, a receiver on the same machine is a
legitimate use; what listens on the service's own port is the service. Another address of loopback than 127.0.0.1 and ::1 to
which a name of the service leads is the service's on every port.
"""

import errno
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address

from core.public_addresses import Address, address_in, embedded
from core.runtime import settings
from core.settings import LOOPBACK

# What binding says of an address that no interface has: it is another's, of a family that is not there, or lacks its interface.
# Anything else is no proof. With net.ipv4.ip_nonlocal_bind every address looks like an own one, and none is called.
NOT_OURS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL)


def is_own_name(host: str, port: int) -> bool:
    """Whether it is one of the names by which the service is reached; one of loopback is with the service's port."""
    if host in LOOPBACK:
        return port == settings.port
    return any(
        host.endswith(name[1:]) if name.startswith("*.") else host == name
        for name in settings.own_hosts
    )


def names_to_look_up() -> list[str]:
    """Of a pattern, a name below it: where every name leads to the service, this one does."""
    names = [name.replace("*", "any", 1) for name in settings.own_hosts]
    return [name for name in names if name not in LOOPBACK and address_in(name) is None]


def is_own(address: Address, port: int, named: Iterable[Address]) -> bool:
    """`named` are the addresses to which the names of the service lead now. IPv4 inside of IPv6 counts as what it is."""
    written = [found for name in settings.own_hosts if (found := address_in(name)) is not None]
    known = {each for own in (*named, *written) for each in _all_of(own)} - {
        address_in(host) for host in LOOPBACK
    }
    return any(
        each in known or (port == settings.port if each.is_loopback else _is_of_an_interface(each))
        for each in _all_of(address)
    )


def _all_of(address: Address) -> Sequence[Address]:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    return (address, *embedded(address))


def _is_of_an_interface(address: Address) -> bool:
    """Only what is local can be bound: also a second address of an interface, its broadcast address, and 0.0.0.0."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError as error:
        return error.errno not in NOT_OURS
    return True
