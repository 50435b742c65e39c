"""Shows whether a server would take the engine's messages, and leaves nothing there."""

from collections.abc import Sequence

from orderengine.redis_commands import Commands, Script

# The queues are named as keys, and not touched: the server looks whether the user may write to
# them. What is put into a list and taken out again is nobody else's. Servers before 7.0 cannot be
# asked for the rights to other commands.
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
# Not `orderengine:probe`: workers of the release before write a string there each second.
_PROBE_KEY = "orderengine:broker:probe"

PUBLISHING = ("PUBLISH orderengine:events x",)
"""What is sent with each step of an order; who may not do it sends no messages either."""
ALL = (
    *PUBLISHING,
    "SUBSCRIBE orderengine:events",
    "GET orderengine:order:x",
    "SET orderengine:worker:heartbeat x",
    "HINCRBY orderengine:counts x 1",
    "BRPOP settle intake 1",
    "LRANGE intake 0 1",
)
"""One command of each kind that a web process or a worker sends."""


def probe(commands: Commands, queues: Sequence[str], wanted: Sequence[str] = PUBLISHING) -> None:
    """Return if messages can be put into these queues and taken out; raises the refusal.

    The user must also have the right to the `wanted` commands, none of which is carried out.
    """
    commands.run(_PROBE, [_PROBE_KEY, *queues], wanted)
