"""Which local addresses ICE offers. aioice skips 127.0.0.1 and asks every interface; a node is told its addresses."""

from collections.abc import Sequence
from ipaddress import ip_address

import aioice.ice


def gather_only_on(addresses: Sequence[str]) -> None:
    """Make every later ICE connection of this process gather host candidates on exactly these addresses."""
    chosen = [str(ip_address(address)) for address in addresses]

    def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        wanted = {4: use_ipv4, 6: use_ipv6}
        return [address for address in chosen if wanted[ip_address(address).version]]

    aioice.ice.get_host_addresses = get_host_addresses
