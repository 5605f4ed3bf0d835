-- What was found about each frame, small: so that a click on a frame in Wireshark finds what was there when the frame
-- was first seen. Frames come in ascending order; the last ones stay in memory, open for changes, and the others go to
-- where the images wait, of which memory holds two numbers for each chunk.

local M = {}

local CHUNK = 64 -- records that are packed together
local OPEN = 2 * CHUNK -- records at most that are not packed
local SIZE = 28 -- seven numbers of four octets
local NONE = 4294967295
local max = math.max
local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

-- Seven numbers as octets, and back: as Lua 5.3 and later do it, as Wireshark's library does, or by hand.

local function packed_by_hand(_, ...)
    local octets = {}
    for i = 1, 7 do
        local number = select(i, ...)
        for _ = 1, 4 do
            octets[#octets + 1] = number % 256
            number = (number - number % 256) / 256
        end
    end
    return string.char(unpack(octets))
end

local function unpacked_by_hand(_, text, at)
    local numbers = {}
    for i = 1, 7 do
        local a, b, c, d = text:byte(at + 4 * i - 4, at + 4 * i - 1)
        numbers[i] = a + b * 256 + c * 65536 + d * 16777216
    end
    return unpack(numbers)
end

local FORM = "<I4I4I4I4I4I4I4"
local library = rawget(string, "pack") and string or rawget(_G, "Struct") or {}
local pack, unpacked = library.pack or packed_by_hand, library.unpack or unpacked_by_hand

local Log = {}
Log.__index = Log

-- An empty log; `backend`: where packed records go (hanscope_store).
function M.new(backend)
    return setmetatable({
        backend = backend,
        rows = 0, -- records there are
        packed = 0, -- of which so many are packed
        found = {}, -- the record that was found last
        firsts = {}, -- the first frame of each chunk, and where the chunk is
        places = {},
        -- the open records, in a ring
        frames = {},
        attempts = {}, -- number of the attempt or 0, and octets in conflict
        flags = {},
        received = {},
        partners = {},
        latencies = {},
        expected = {},
    }, Log)
end

-- Note what was found about a frame. Returns where that is, for `answer`.
function Log:add(found)
    local row = self.rows
    local slot, expected = row % OPEN + 1, found.expected
    self.frames[slot], self.flags[slot] = found.frame, found.flags
    self.attempts[slot] = (found.attempt or 0) * 256 + (found.conflicting or 0)
    self.received[slot] = found.received or NONE
    self.expected[slot] = expected and expected < NONE and expected or NONE
    self.partners[slot], self.latencies[slot] = found.partner or NONE, found.latency_us or NONE
    self.rows = row + 1
    if self.rows - self.packed == OPEN then
        self:pack()
    end
    return row
end

-- The oldest open records go to the backend.
function Log:pack()
    local parts, first = {}, self.packed % OPEN
    for slot = first + 1, first + CHUNK do
        parts[slot - first] = pack(
            FORM, self.frames[slot], self.attempts[slot], self.flags[slot], self.received[slot],
            self.partners[slot], self.latencies[slot], self.expected[slot]
        )
    end
    local chunk = #self.firsts + 1
    self.firsts[chunk], self.places[chunk] = self.frames[first + 1], self.backend:append(table.concat(parts))
    self.packed = self.packed + CHUNK
end

-- Tells a request of its answer.
function Log:answer(row, partner, latency_us)
    if row >= self.packed then
        local slot = row % OPEN + 1
        self.partners[slot], self.latencies[slot] = partner, latency_us
        return
    end
    local chunk = (row - row % CHUNK) / CHUNK + 1
    local at = row % CHUNK * SIZE
    local old = self.backend:part(self.places[chunk], at, SIZE)
    local frame, attempt, flags, received, _, _, expected = unpacked(FORM, old, 1)
    local new = pack(FORM, frame, attempt, flags, received, partner, latency_us, expected)
    self.backend:replace(self.places[chunk], at, new)
    self.cached = nil
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

local function told(number)
    return number ~= NONE and number or nil
end

local function fill(one, frame, attempt, flags, received, partner, latency_us, expected)
    local conflicting = attempt % 256
    attempt = (attempt - conflicting) / 256
    one.frame, one.flags = frame, flags
    one.attempt, one.conflicting = attempt > 0 and attempt or nil, conflicting > 0 and conflicting or nil
    one.received, one.expected = told(received), told(expected)
    one.partner, one.latency_us = told(partner), told(latency_us)
    return one
end

-- The record of a frame, until the next one is looked for.
function Log:find(frame)
    local frames, before = self.frames, self.packed - 1
    if frame < (frames[self.packed % OPEN + 1] or 0) then
        return self:find_packed(frame)
    end
    local i = search(self.rows - self.packed, function(one)
        return frames[(before + one) % OPEN + 1]
    end, frame)
    if i == 0 then
        return self:find_packed(frame)
    end
    local slot = (before + i) % OPEN + 1
    return frames[slot] == frame
            and fill(
                self.found, frame, self.attempts[slot], self.flags[slot], self.received[slot],
                self.partners[slot], self.latencies[slot], self.expected[slot]
            )
        or nil
end

local function frame_at(text, i)
    local a, b, c, d = text:byte(i * SIZE - SIZE + 1, i * SIZE - SIZE + 4)
    return a + b * 256 + c * 65536 + d * 16777216
end

function Log:find_packed(frame)
    local firsts, last = self.firsts, self.last
    if self.cached and last < CHUNK and frame_at(self.text, last + 1) == frame then -- frames are asked for in order
        self.last = last + 1
        return fill(self.found, unpacked(FORM, self.text, last * SIZE + 1))
    end
    local chunk = search(#firsts, function(i)
        return firsts[i]
    end, frame)
    if chunk == 0 then
        return nil
    elseif self.cached ~= chunk then
        self.cached, self.text = chunk, self.backend:part(self.places[chunk], 0, CHUNK * SIZE)
    end
    local text = self.text
    local i = search(CHUNK, function(one)
        return frame_at(text, one)
    end, frame)
    self.last = max(i, 1)
    return i > 0 and frame_at(text, i) == frame and fill(self.found, unpacked(FORM, text, i * SIZE - SIZE + 1)) or nil
end

return M
