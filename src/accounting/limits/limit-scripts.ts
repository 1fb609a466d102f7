import { COUNTER_GRACE_MS, LEASE_MS, WINDOW_SECONDS } from './limit-store.js';

/**
 * One step each, so that nothing comes between. Redis' own clock, so that replicas need not agree on the time. Money is
 * added up by Redis itself in 64-bit integers; Lua only compares, exactly up to 2^53 nano-USD (9 million USD) and to a
 * millionth of a cent beyond.
 *
 * A window is a hash: a count for each second, `t` their total, `h` the oldest second that may be there, `n` the newest.
 * A budget is a hash, beside it the open reservations by the end of their lease, and their amounts; `-` marks an amount
 * given back because its lease ended. The hash has `epoch`, the moment it began; of the time before, `ledger` once it is
 * seeded, `floor`, the most that anybody knew, and `before`, what was told late; `charged` since then; and `reserved`.
 * What is spent is the larger of `ledger` and `floor + before`, for they tell of the same requests, and `charged`.
 */
const COMMON = `
local time = redis.call('TIME')
local second = tonumber(time[1])
local now = second * 1000 + math.floor(tonumber(time[2]) / 1000)
local SPAN = ${WINDOW_SECONDS}

local function advance(key)
  local state = redis.call('HMGET', key, 't', 'h', 'n')
  if not state[1] then return 0, second, second end
  local total, head, newest = tonumber(state[1]), tonumber(state[2]), tonumber(state[3])
  local oldest = second - SPAN
  if head >= oldest and head <= second + SPAN then return total, head, newest end
  if newest < oldest or head > second + SPAN then
    redis.call('DEL', key)
    return 0, second, second
  end
  for past = head, oldest - 1 do
    local count = redis.call('HGET', key, past)
    if count then
      total = total - tonumber(count)
      redis.call('HDEL', key, past)
    end
  end
  redis.call('HSET', key, 't', total, 'h', oldest)
  return total, oldest, newest
end

local function add(key, at, count)
  local _, head, newest = advance(key)
  if at < head then return end
  redis.call('HINCRBY', key, at, count)
  redis.call('HINCRBY', key, 't', count)
  redis.call('HSET', key, 'h', head, 'n', math.max(newest, at))
  redis.call('PEXPIRE', key, (SPAN + 60) * 1000)
end

local function figure(key)
  local total, _, newest = advance(key)
  local reset = 0
  if total > 0 then reset = math.max(0, (newest + SPAN + 1) * 1000 - now) end
  return total, reset
end

local function charge(counter, amount, field)
  if amount ~= '0' then redis.call('HINCRBY', counter, field or 'charged', amount) end
end

local function release(counter, amount)
  if amount ~= '0' then redis.call('HINCRBY', counter, 'reserved', '-' .. amount) end
end

local function spending(counter)
  local state = redis.call('HMGET', counter, 'ledger', 'floor', 'before', 'charged')
  local told = tonumber(state[2] or '0') + tonumber(state[3] or '0')
  return math.max(tonumber(state[1] or '0'), told) + tonumber(state[4] or '0')
end

local function tell(reply, counter)
  local state = redis.call('HMGET', counter, 'ledger', 'floor', 'before', 'charged', 'epoch')
  for field = 1, 5 do reply[#reply + 1] = state[field] or '' end
end

local function begin(counter, ends)
  if redis.call('HSETNX', counter, 'epoch', string.format('%d.%06d', time[1], time[2])) == 1 then
    redis.call('PEXPIREAT', counter, ends)
  end
end
`;

/**
 * KEYS: request window, token window, leases of the key, then counter, leases and amounts of each budget.
 * ARGV: id, request limit, token limit, parallel limit (-1: none), tokens, then limit, estimate, last known spending
 * ('': nothing is known), the epoch it is of, 1 where that is but a part, and end of life of each budget.
 */
export const RESERVE = `${COMMON}
local id = ARGV[1]
local request_limit, token_limit, parallel_limit = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local tokens = tonumber(ARGV[5])
local budgets = (#KEYS - 3) / 3

local function answer(kind, index, pause)
  local requests, requests_reset, used, used_reset = 0, 0, 0, 0
  if request_limit >= 0 then requests, requests_reset = figure(KEYS[1]) end
  if token_limit >= 0 then used, used_reset = figure(KEYS[2]) end
  local reply = { kind, index, pause, second, requests, requests_reset, used, used_reset }
  for budget = 1, budgets do
    tell(reply, KEYS[1 + budget * 3])
  end
  return reply
end

local function pause_until(key, total, limit, wanted)
  local excess = total + wanted - limit
  if excess > total then return -1 end
  local _, head = advance(key)
  for at = head, second do
    excess = excess - tonumber(redis.call('HGET', key, at) or '0')
    if excess <= 0 then return (at + SPAN + 1) * 1000 - now end
  end
  return -1
end

if redis.call('ZSCORE', KEYS[3], id) then return answer('admitted', 0, 0) end

local busy, blank = 0, false
for budget = 1, budgets do
  local counter, leases, amounts = KEYS[1 + budget * 3], KEYS[2 + budget * 3], KEYS[3 + budget * 3]
  for _, orphan in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 100)) do
    release(counter, redis.call('HGET', amounts, orphan) or '0')
    redis.call('HSET', amounts, orphan, '-')
    redis.call('ZREM', leases, orphan)
  end
  begin(counter, ARGV[5 + budget * 6])
end
for budget = 1, budgets do
  local counter, limit = KEYS[1 + budget * 3], ARGV[budget * 6]
  local known, known_in, is_part = ARGV[2 + budget * 6], ARGV[3 + budget * 6], ARGV[4 + budget * 6] == '1'
  local state = redis.call('HMGET', counter, 'ledger', 'floor', 'reserved', 'epoch')
  if (known == '' or is_part) and not (state[1] or state[2]) then blank = true
  elseif known ~= '' and known_in ~= state[4] and tonumber(known) > tonumber(state[2] or '-1') then
    redis.call('HSET', counter, 'floor', known)
  end
  local spent = spending(counter)
  if known ~= '' and known_in == state[4] then
    local forgotten = tonumber(known) - spent
    -- Less is but the rounding of large sums.
    if forgotten > tonumber(known) / 2 ^ 51 then
      charge(counter, string.format('%.0f', forgotten))
      spent = spending(counter)
    end
  end
  if spent >= tonumber(limit) then return answer('spent', budget, -1) end
  if busy == 0 and spent + tonumber(state[3] or '0') >= tonumber(limit) then busy = budget end
end
if blank then return answer('unseeded', 0, 0) end

if parallel_limit >= 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
  if redis.call('ZCARD', KEYS[3]) >= parallel_limit then return answer('parallel', 0, -1) end
end
if request_limit >= 0 then
  local total = advance(KEYS[1])
  if total + 1 > request_limit then
    return answer('requests', 0, pause_until(KEYS[1], total, request_limit, 1))
  end
end
if token_limit >= 0 then
  local total = advance(KEYS[2])
  if total + tokens > token_limit then
    return answer('tokens', 0, pause_until(KEYS[2], total, token_limit, tokens))
  end
end
if busy > 0 then return answer('reserved', busy, -1) end

if request_limit >= 0 then add(KEYS[1], second, 1) end
if token_limit >= 0 and tokens > 0 then add(KEYS[2], second, tokens) end
redis.call('ZADD', KEYS[3], now + ${LEASE_MS}, id)
redis.call('PEXPIRE', KEYS[3], ${LEASE_MS * 2})
for budget = 1, budgets do
  local counter, leases, amounts = KEYS[1 + budget * 3], KEYS[2 + budget * 3], KEYS[3 + budget * 3]
  local estimate, ends = ARGV[1 + budget * 6], ARGV[5 + budget * 6]
  redis.call('HINCRBY', counter, 'reserved', estimate)
  redis.call('HSET', amounts, id, estimate)
  redis.call('PEXPIREAT', amounts, ends)
  redis.call('ZADD', leases, now + ${LEASE_MS}, id)
  redis.call('PEXPIREAT', leases, ends)
end
return answer('admitted', 0, 0)
`;

/**
 * KEYS as above. ARGV: id, `settle` or `refund`, second, tokens reserved (-1: no limit), tokens used, requests counted
 * (0 or 1), when it ended in milliseconds since 1970 (0: now), then epoch, cost and end of life of each budget.
 */
export const SETTLE = `${COMMON}
local id, at = ARGV[1], tonumber(ARGV[3])
local reserved, used, ended = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[7])
local budgets = (#KEYS - 3) / 3
if redis.call('ZREM', KEYS[3], id) == 1 then
  if ARGV[2] == 'refund' and ARGV[6] == '1' then add(KEYS[1], at, -1) end
  if reserved >= 0 then
    if used < reserved then add(KEYS[2], at, used - reserved)
    elseif used > reserved then add(KEYS[2], second, used - reserved) end
  end
end
local reply = {}
for budget = 1, budgets do
  local counter, leases, amounts = KEYS[1 + budget * 3], KEYS[2 + budget * 3], KEYS[3 + budget * 3]
  local epoch, cost, ends = ARGV[5 + budget * 3], ARGV[6 + budget * 3], ARGV[7 + budget * 3]
  local amount = redis.call('HGET', amounts, id)
  if amount then
    redis.call('HDEL', amounts, id)
    redis.call('ZREM', leases, id)
    if amount ~= '-' then release(counter, amount) end
    charge(counter, cost)
  elseif cost ~= '0' and redis.call('HGET', counter, 'epoch') ~= epoch then
    begin(counter, ends)
    if redis.call('HSETNX', amounts, 'late:' .. id, 1) == 1 then
      redis.call('PEXPIREAT', amounts, ends)
      local is_old = ended > 0 and ended < tonumber(redis.call('HGET', counter, 'epoch')) * 1000
      charge(counter, cost, is_old and 'before')
    end
  end
  tell(reply, counter)
end
return reply
`;

/** KEYS: sets of leases. ARGV: id. What has expired stays so. */
export const RENEW = `${COMMON}
for index = 1, #KEYS do
  redis.call('ZADD', KEYS[index], 'XX', now + ${LEASE_MS}, ARGV[1])
  if index == 1 then redis.call('PEXPIRE', KEYS[index], ${LEASE_MS * 2}) end
end
return 1
`;

/** KEYS: counter. ARGV: what the ledger says of the time before, epoch. Told once, and only what is of that epoch. */
export const SEED = `${COMMON}
if redis.call('HGET', KEYS[1], 'epoch') == ARGV[2] then redis.call('HSETNX', KEYS[1], 'ledger', ARGV[1]) end
local reply = {}
tell(reply, KEYS[1])
return reply
`;

/** When a counter of a window that ends at `endMs` is removed. */
export function endOfLifeMs(endMs: number): number {
  return endMs + COUNTER_GRACE_MS;
}
