"""What Redis does by itself, in one round trip: Lua, as EVAL runs it.

KEYS come before ARGV. Each script counts what it found in the hash of figures that `cachestat`
reads. Whatever a script answers with is told behind its name.
"""

from __future__ import annotations

from typing import Final

# How long an answer counts as asked for, one request builds it for all, and the rest of its life in
# which that is done before it ends. In milliseconds.
SEEN_MS: Final = 60_000
BUILDING_MS: Final = 300
RENEWED_MS: Final = 10_000

# `buckets` are keys; ARGV has two numbers for each: interval and capacity in microseconds. What is
# kept is when the bucket is full again. It is bounded by the capacity, or a clock that was set back
# would lock the bucket for as long. Leaves `granted`, 1 or 0, and in `owed` what each bucket owes.
_BUCKETS: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local granted, owed = 1, {}
for i, key in ipairs(buckets) do
    local interval, capacity = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local full_at = tonumber(redis.call('GET', key) or '') or now
    owed[i] = math.min(math.max(full_at - now, 0), capacity)
    if owed[i] + interval > capacity then granted = 0 end
end
if granted == 1 then
    for i, key in ipairs(buckets) do
        owed[i] = owed[i] + ARGV[2 * i - 1]
        local full_at = string.format('%.0f', now + owed[i])
        redis.call('SET', key, full_at, 'PX', math.ceil(owed[i] / 1000))
    end
end
"""
# granted, owed…
TAKE: Final = f"""
local buckets = KEYS
{_BUCKETS}
return {{granted, unpack(owed)}}
"""

# The first two KEYS are a generation and a value, the third the figures. A value that is there and
# right is answered with the buckets' state; of anything else only the generation, and nothing is
# taken.
_READ: Final = """
local generation, kept = unpack(redis.call('MGET', KEYS[1], KEYS[2]))
if not generation or not kept or string.sub(kept, 1, #generation + 1) ~= generation .. '|' then
    redis.call('HINCRBY', KEYS[3], 'access:miss', 1)
    return {generation, false}
end
redis.call('HINCRBY', KEYS[3], 'access:hit', 1)
"""
# generation, value, granted, owed…
READ_AND_TAKE: Final = f"""
{_READ}
local buckets = {{unpack(KEYS, 4)}}
{_BUCKETS}
return {{generation, kept, granted, unpack(owed)}}
"""

# `generation_at`, `answer_at`, `seen_at` and `builder_at` are keys, `tag` an entity tag or empty.
# Leaves `state`, the generation in `stamp`, and in `answer` what is kept. The states:
#   kept   it is there and right; `same` if the client has it, which the tag says
#   cold   nobody has asked for it lately: not worth keeping
#   build  this request is to build it, for the others too
#   wait   another request is building it
#   new    its subject has no generation yet
_FIND: Final = f"""
local state, answer = 'new', false
local stamp, found = unpack(redis.call('MGET', generation_at, answer_at))
local function is_mine()
    if redis.call('GET', builder_at) == stamp then return false end
    redis.call('SET', builder_at, stamp, 'PX', {BUILDING_MS})
    return true
end
if stamp and found and string.sub(found, 1, #stamp + 1) == stamp .. '|' then
    if redis.call('PTTL', answer_at) < {RENEWED_MS} and is_mine() then
        state = 'build'
    elseif tag ~= '' and string.sub(found, #stamp + 2, #stamp + #tag + 2) == tag .. '|' then
        state = 'same'
    else
        state, answer = 'kept', found
    end
elseif stamp then
    local seen = redis.call('INCR', seen_at)
    if seen == 1 then
        redis.call('PEXPIRE', seen_at, {SEEN_MS})
        state = 'cold'
    else
        state = is_mine() and 'build' or 'wait'
    end
end
redis.call('HINCRBY', KEYS[3], 'answer:' .. state, 1)
"""
# generation, value, state, stamp, answer, granted, owed…
ADMIT: Final = f"""
{_READ}
local buckets = {{unpack(KEYS, 8)}}
{_BUCKETS}
if granted == 0 then return {{generation, kept, 'cold', false, false, granted, unpack(owed)}} end
local generation_at, answer_at, seen_at, builder_at = unpack(KEYS, 4, 7)
local tag = ARGV[#ARGV]
{_FIND}
return {{generation, kept, state, stamp, answer, granted, unpack(owed)}}
"""
