-- What was found about each frame, small: so that a click on a frame in Wireshark finds what was there when the frame
-- was first seen. Frames come in ascending order; the last ones stay in memory, open for changes, and the others go to
-- where the images wait, of which memory holds a number for each chunk.

local M = {}

local CHUNK = 32 -- records that are packed together
local OPEN = 2 * CHUNK -- records at most that are not packed
local SIZE = 28 -- seven numbers of four octets
local NONE = 4294967295
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
        places = {}, -- where each chunk is
        parts = {}, -- of a chunk, as it is packed
        open = {}, -- records that are not packed, in a ring
        found = {}, -- the packed record that was found last, and the one behind it
        ahead = {},
        -- where frames were last looked for: there is no record between the frames `before` and `due`, that of `row`
        before = 0,
        due = 0,
        row = 0,
    }, Log)
end

-- A record of a frame, and its row for `answer`. All that it tells is to be set: `flags`, and as far as there are such
-- `attempt` (its number), `received`, `expected`, `conflicting` (octets), `partner` (frame) and `latency_us`.
function Log:add(frame)
    local row = self.rows
    if row - self.packed == OPEN then
        self:pack()
    end
    local slot = row % OPEN + 1
    local record = self.open[slot]
    if not record then
        record = {}
        self.open[slot] = record
    end
    record.frame = frame
    self.rows, self.due = row + 1, 0
    return record, row
end

local function packed(record)
    local expected = record.expected
    return pack(
        FORM,
        record.frame,
        (record.attempt or 0) * 256 + (record.conflicting or 0),
        record.flags,
        record.received or NONE,
        record.partner or NONE,
        record.latency_us or NONE,
        expected and expected < NONE and expected or NONE
    )
end

-- The oldest open records go to the backend.
function Log:pack()
    local parts, first = self.parts, self.packed % OPEN
    for i = 1, CHUNK do
        parts[i] = packed(self.open[first + i])
    end
    self.places[#self.places + 1] = self.backend:append(parts)
    self.packed = self.packed + CHUNK
end

local function fill(one, frame, attempt, flags, received, partner, latency_us, expected)
    local conflicting = attempt % 256
    attempt = (attempt - conflicting) / 256
    one.frame, one.flags = frame, flags
    one.attempt, one.conflicting = attempt > 0 and attempt or nil, conflicting > 0 and conflicting or nil
    one.received, one.expected = received ~= NONE and received or nil, expected ~= NONE and expected or nil
    one.partner, one.latency_us = partner ~= NONE and partner or nil, latency_us ~= NONE and latency_us or nil
    return one
end

-- The record in a row, if there is one; in a table if it is packed.
local function record_at(self, row, one)
    if row >= self.packed then
        return row < self.rows and self.open[row % OPEN + 1] or nil
    end
    local at = row % CHUNK
    local chunk = (row - at) / CHUNK + 1
    if chunk ~= self.chunk then
        self.chunk, self.text = chunk, self.backend:part(self.places[chunk], 0, CHUNK * SIZE)
    end
    return fill(one, unpacked(FORM, self.text, at * SIZE + 1))
end

-- Tells a request of its answer.
function Log:answer(row, partner, latency_us)
    local record = record_at(self, row, {})
    record.partner, record.latency_us = partner, latency_us
    if row < self.packed then
        local at = row % CHUNK
        self.backend:replace(self.places[(row - at) / CHUNK + 1], at * SIZE, packed(record))
        self.chunk, self.due = nil, 0
    end
end

-- Goes to a row.
local function go(self, row, before)
    local record = record_at(self, row, self.ahead)
    self.row, self.before, self.due, self.next = row, before, record and record.frame or math.huge, record
end

-- Goes to the first record whose frame is not before a frame.
local function seek(self, frame)
    local low, high = 0, self.rows
    while low < high do
        local middle = (low + high - (low + high) % 2) / 2
        if record_at(self, middle, self.ahead).frame < frame then
            low = middle + 1
        else
            high = middle
        end
    end
    go(self, low, frame - 1)
end

-- The last record of a frame, until the next one is looked for. Most frames are asked for one after the other. (Frames
-- that do not pass a read filter have the number of the next one that does.)
function Log:find(frame)
    if frame <= self.before or frame > self.due then
        seek(self, frame)
    end
    local record
    while self.due == frame do
        record = self.next
        self.found, self.ahead = self.ahead, self.found
        go(self, self.row + 1, frame)
    end
    return record
end

return M
