-- What was found about each frame, small: so that a click on a frame in Wireshark finds what was there when the frame
-- was first seen. Frames come in ascending order; the last ones stay open for changes.
--
-- A record takes sixteen octets of a text. The few that do not fit (an expected offset that is not the frame's own,
-- octets in conflict, large numbers) stay as they are.

local M = {}

local OPEN, CHUNK = 128, 64 -- records at most that are not packed; records that are packed together
local SIZE = 16
local NONE = 16777215 -- three octets: no number

local Log = {}
Log.__index = Log

function M.new()
    return setmetatable({ open = {}, firsts = {}, texts = {}, wide = {} }, Log)
end

local char, byte, concat = string.char, string.byte, table.concat

-- A record as text; nothing if it does not fit. `base`: the frame from which its number counts.
local function packed(record, base)
    local frame, flags, attempt = record.frame - base, record.flags, record.attempt or 0
    local received, latency = record.received or NONE, record.latency_us or NONE
    local partner = (record.partner or record.frame) - record.frame + 32768
    if frame > 65535 or flags > NONE or attempt > 65535 or received > NONE or latency > NONE then
        return nil
    elseif partner < 0 or partner > 65535 or record.expected or record.conflicting then
        return nil
    end
    local f, a, p = frame % 256, attempt % 256, partner % 256
    local r, l, g = received % 65536, latency % 65536, flags % 65536
    local r0, l0, g0 = r % 256, l % 256, g % 256
    return char(
        f, (frame - f) / 256, a, (attempt - a) / 256, p, (partner - p) / 256,
        r0, (r - r0) / 256, (received - r) / 65536,
        l0, (l - l0) / 256, (latency - l) / 65536,
        g0, (g - g0) / 256, (flags - g) / 65536, 0
    )
end

local function unpacked(text, at, base)
    local f0, f1, a0, a1, p0, p1, r0, r1, r2, l0, l1, l2, g0, g1, g2 = byte(text, at, at + SIZE - 1)
    local frame, attempt = base + f0 + f1 * 256, a0 + a1 * 256
    local partner = p0 + p1 * 256 - 32768
    local received, latency = r0 + r1 * 256 + r2 * 65536, l0 + l1 * 256 + l2 * 65536
    return {
        frame = frame,
        attempt = attempt > 0 and attempt or nil,
        flags = g0 + g1 * 256 + g2 * 65536,
        received = received < NONE and received or nil,
        latency_us = latency < NONE and latency or nil,
        partner = partner ~= 0 and frame + partner or nil,
    }
end

-- Records as one text; those that do not fit go to the others.
function Log:pack(records, last)
    local parts, base = {}, records[1].frame
    for i = 1, last do
        local record = records[i]
        local text = packed(record, base)
        if text then
            parts[#parts + 1] = text
        else
            self.wide[record.frame] = record
        end
        record.packed = true
    end
    self.firsts[#self.firsts + 1] = base
    self.texts[#self.texts + 1] = concat(parts)
end

function Log:add(record)
    local open = self.open
    local count = #open + 1
    open[count] = record
    if count >= OPEN then
        self:pack(open, CHUNK)
        local rest = {}
        for i = CHUNK + 1, count do
            rest[i - CHUNK] = open[i]
        end
        self.open = rest
    end
end

-- The index of the last of `count` numbers, in ascending order, that is not greater than `wanted`; 0 if there is none.
local function search(count, number, wanted)
    local low, high = 1, count + 1
    while low < high do
        local middle = (low + high - (low + high) % 2) / 2
        if number(middle) > wanted then
            high = middle
        else
            low = middle + 1
        end
    end
    return low - 1
end

-- The record of a frame.
function Log:find(frame)
    local open = self.open
    if open[1] and open[1].frame <= frame then
        local record = open[search(#open, function(i)
            return open[i].frame
        end, frame)]
        return record and record.frame == frame and record or nil
    end
    return self.wide[frame] or self:find_packed(frame)
end

function Log:find_packed(frame)
    local chunk = search(#self.firsts, function(i)
        return self.firsts[i]
    end, frame)
    local text, base = self.texts[chunk], self.firsts[chunk]
    if chunk == 0 then
        return nil
    end
    local i = search(#text / SIZE, function(one)
        local low, high = byte(text, one * SIZE - SIZE + 1, one * SIZE - SIZE + 2)
        return base + low + high * 256
    end, frame)
    local record = i > 0 and unpacked(text, i * SIZE - SIZE + 1, base)
    return record and record.frame == frame and record or nil
end

-- Tells a request of its answer.
function Log:answer(frame, partner, latency_us)
    local record = self:find(frame)
    if record then
        record.partner, record.latency_us = partner, latency_us
        local open = self.open
        if open[1] and open[1].frame > frame then
            self.wide[frame] = record -- it was packed before its answer came
        end
    end
end

return M
