"""Checks that a server accepts the engine's messages, and leaves nothing there."""

from collections.abc import Sequence

from orderengine.redis.client import Client, Script

# The queues are passed as keys but not touched: the server checks that the user may write to them.
# The probe's own list serves nothing else. Servers before 7.0 cannot be asked about the rights to
# other commands.
_PROBE = Script(
    """
redis.call('LPUSH', KEYS[1], '')
redis.call('RPOP', KEYS[1])
if redis.acl_check_cmd then
  for _, command in ipairs(ARGV) do
    local words = {}
    for word in string.gmatch(command, '%S+') do
      words[#words + 1] = word
    end
    if not redis.acl_check_cmd(unpack(words)) then
      return redis.error_reply('NOPERM the user may not ' .. words[1] .. ' on ' .. words[2])
    end
  end
end
"""
)
# Not `orderengine:probe`: workers of the previous release write a string there each second.
_PROBE_KEY = "orderengine:broker:probe"

PUBLISHING = ("PUBLISH orderengine:events x",)
"""Sent with each step of an order; a user without this right must send no messages either."""
ALL = (
    *PUBLISHING,
    "SUBSCRIBE orderengine:events",
    "GET orderengine:order:x",
    "SET orderengine:worker:heartbeat x",
    "HINCRBY orderengine:counts x 1",
    "BRPOP settle intake 1",
    "LRANGE intake 0 1",
)
"""One command of each kind that web processes and workers send."""


def probe(client: Client, queues: Sequence[str], required: Sequence[str] = PUBLISHING) -> None:
    """Check that these queues accept and return messages; raises the server's refusal.

    The user also needs the right to the `required` commands, none of which is executed.
    """
    client.run(_PROBE, [_PROBE_KEY, *queues], required)
