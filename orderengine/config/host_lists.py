"""DATABASE_URL with a list of hosts, as libpq has it: `host1:5432,host2:5432`."""

import re
from urllib.parse import urlencode

from orderengine.config.variables import ConfigurationError

_AUTHORITY = re.compile(
    r"(?P<user>[^/?#]*@)?(?P<hosts>[^/?#@]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?"
)
_HOST_AND_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\],]+)(?::(?P<port>[0-9]{1,5}))?")


def with_hosts_as_options(rest: str) -> str:
    """The part of a URL after its scheme, with a list of hosts turned into driver options.

    SQLAlchemy cannot read the ports of such a list. Raises ConfigurationError for an invalid host.
    """
    found = _AUTHORITY.fullmatch(rest)
    if found is None or "," not in found["hosts"]:
        return rest
    pairs = [_HOST_AND_PORT.fullmatch(each) for each in found["hosts"].split(",")]
    if None in pairs:
        raise ConfigurationError(
            "DATABASE_URL has a list with a host that is not host or host:port, or it has a user"
            " or password with :/?#[]@ that are not percent-encoded"
        )
    hosts = ",".join(pair["host"].strip("[]") for pair in pairs if pair)
    ports = ",".join(pair["port"] or "5432" for pair in pairs if pair)
    query = f"&{found['query']}" if found["query"] else ""
    options = urlencode({"host": hosts, "port": ports}, safe=",:")
    return f"{found['user'] or ''}{found['path'] or ''}?{options}{query}"
