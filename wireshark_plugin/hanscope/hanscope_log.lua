-- What was found about each frame, small: some ten octets for each, so that a click on a frame in Wireshark finds what
-- was there when the frame was first seen. Frames come in ascending order; the last ones stay open for changes.

local M = {}

local OPEN = 128 -- records at most that are not packed
local CHUNK = 64

local Log = {}
Log.__index = Log

function M.new()
    return setmetatable({ open = {}, firsts = {}, texts = {} }, Log)
end

local char, concat = string.char, table.concat
local OCTETS = {}
for i = 0, 255 do
    OCTETS[i] = char(i)
end

-- Numbers of any size in as few octets as they need: seven bits in each, the highest says that more follow.
local function packed_number(parts, count, number)
    while number >= 128 do
        local low = number % 128
        count = count + 1
        parts[count] = OCTETS[128 + low]
        number = (number - low) / 128
    end
    parts[count + 1] = OCTETS[number]
    return count + 1
end

local function unpack_number(text, at)
    local value, weight = 0, 1
    while true do
        local octet = text:byte(at)
        at = at + 1
        if octet < 128 then
            return value + octet * weight, at
        end
        value = value + (octet - 128) * weight
        weight = weight * 128
    end
end

-- A record: frame; attempt and flags (0: none); and as far as there are, in this order, what follows. Which there are
-- tells the head, whose lowest bits are these.
local PARTNER, FLAGS, EXPECTED, CONFLICTING, KINDS = 1, 2, 4, 8, 16

local function packed(records, last)
    local parts, count = {}, 0
    local frame = records[1].frame
    for i = 1, last do
        local record = records[i]
        local partner, flags, expected, conflicting = record.partner, record.flags, record.expected, record.conflicting
        count = packed_number(parts, count, record.frame - frame)
        frame = record.frame
        local head = (record.attempt or 0) * KINDS + (partner and PARTNER or 0) + (flags > 0 and FLAGS or 0)
        head = head + (expected and EXPECTED or 0) + (conflicting and CONFLICTING or 0)
        count = packed_number(parts, count, head)
        count = packed_number(parts, count, record.received and record.received + 1 or 0)
        if partner then
            local before = partner < frame
            count = packed_number(parts, count, before and 2 * (frame - partner) or 2 * (partner - frame) + 1)
            count = packed_number(parts, count, record.latency_us and record.latency_us + 1 or 0)
        end
        if flags > 0 then
            count = packed_number(parts, count, flags)
        end
        if expected then
            count = packed_number(parts, count, expected)
        end
        if conflicting then
            count = packed_number(parts, count, conflicting)
        end
        record.packed = true
    end
    return concat(parts)
end

local function unpacked(first, text)
    local records, at, frame = {}, 1, first
    local number, head
    while at <= #text do
        local record = { flags = 0 }
        number, at = unpack_number(text, at)
        frame = frame + number
        record.frame = frame
        head, at = unpack_number(text, at)
        number, at = unpack_number(text, at)
        record.received = number > 0 and number - 1 or nil
        local kinds = head % KINDS
        record.attempt = head > kinds and (head - kinds) / KINDS or nil
        if kinds % 2 >= PARTNER then
            number, at = unpack_number(text, at)
            record.partner = number % 2 == 0 and frame - number / 2 or frame + (number - 1) / 2
            number, at = unpack_number(text, at)
            record.latency_us = number > 0 and number - 1 or nil
        end
        if kinds % 4 >= FLAGS then
            record.flags, at = unpack_number(text, at)
        end
        if kinds % 8 >= EXPECTED then
            record.expected, at = unpack_number(text, at)
        end
        if kinds >= CONFLICTING then
            record.conflicting, at = unpack_number(text, at)
        end
        records[#records + 1] = record
    end
    return records
end

function Log:add(record)
    local open = self.open
    open[#open + 1] = record
    if #open >= OPEN then
        self.firsts[#self.firsts + 1] = open[1].frame
        self.texts[#self.texts + 1] = packed(open, CHUNK)
        local rest = {}
        for i = CHUNK + 1, #open do
            rest[#rest + 1] = open[i]
        end
        self.open = rest
    end
end

-- The index of the last number that is not greater than `wanted`; 0 if there is none.
local function search(numbers, member, wanted)
    local low, high = 1, #numbers + 1
    while low < high do
        local middle = (low + high - (low + high) % 2) / 2
        local number = numbers[middle]
        if (member and number[member] or number) > wanted then
            high = middle
        else
            low = middle + 1
        end
    end
    return low - 1
end

-- The record of a frame, and the records among which it stands.
function Log:find(frame)
    local records = self.open
    if not (records[1] and records[1].frame <= frame) then
        local i = search(self.firsts, nil, frame)
        if i == 0 then
            return nil
        end
        if self.shown ~= i then
            self.shown, self.records = i, unpacked(self.firsts[i], self.texts[i])
        end
        records = self.records
    end
    local record = records[search(records, "frame", frame)]
    if record and record.frame == frame then
        return record, records
    end
    return nil
end

-- Writes back a record that `find` gave and that was changed.
function Log:update(frame)
    local record, records = self:find(frame)
    if record and records ~= self.open then
        self.texts[self.shown] = packed(records, #records)
    end
end

return M
