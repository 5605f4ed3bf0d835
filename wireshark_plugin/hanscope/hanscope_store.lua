-- What an image consists of so far: octets by offset, the first value heard of each one is kept.
--
-- Octets lie in a temporary file of which only Wireshark knows (in memory where there can be none), so that memory
-- grows by extents, not by images: an extent is a run of octets that came one after the other.

local M = {}

local PIECE = 4096 -- octets of an extent before it goes to the file
local CONFLICTS_KEPT = 65536

-- Where extents wait.

local File = {}
File.__index = File

-- Adds texts, one behind the other: joined they would be long, which Wireshark's memory is left in pieces by.
function File:append(parts)
    local file, at = self.file, self.size
    if self.place ~= at then
        file:seek("set", at)
    end
    local size = at
    for i = 1, #parts do
        file:write(parts[i])
        size = size + #parts[i]
    end
    self.size, self.place = size, size
    return at
end

function File:read(at, size)
    self.file:seek("set", at)
    self.place = -1
    return self.file:read(size) or ""
end

-- `at` as append gave it, or so many octets behind.
function File:part(at, first, size)
    return self:read(at + first, size)
end

function File:replace(at, first, text)
    self.file:seek("set", at + first)
    self.place = -1
    self.file:write(text)
end

function File:close()
    self.file:close()
end

local Memory = {}
Memory.__index = Memory

function Memory:append(parts)
    self[#self + 1] = table.concat(parts)
    return #self
end

function Memory:part(at, first, size)
    return self[at]:sub(first + 1, first + size)
end

function Memory:replace(at, first, text)
    self[at] = self[at]:sub(1, first) .. text .. self[at]:sub(first + #text + 1)
end

function Memory:close() -- luacheck: no self
end

-- A place for extents. `in_memory` is for tests.
function M.backend(in_memory)
    if not in_memory then
        local fine, file = pcall(io.tmpfile)
        if fine and file then
            return setmetatable({ file = file, size = 0, place = 0 }, File)
        end
    end
    return setmetatable({}, Memory)
end

local Image = {}
Image.__index = Image

-- An empty image; nothing at or beyond octet `limit` is taken.
function M.new(backend, limit)
    return setmetatable({
        backend = backend,
        limit = limit,
        first = {}, -- extents, ascending: octets [first, stop), in the backend at `at`, or in the buffer (at = false)
        stop = {},
        at = {},
        octets = 0,
        conflicting = 0,
        refused = 0,
    }, Image)
end

-- The index of the first extent that ends behind `offset`; one more than there are if none does.
function Image:search(offset)
    local low, high = 1, #self.first + 1
    while low < high do
        local middle = (low + high - (low + high) % 2) / 2
        if self.stop[middle] > offset then
            high = middle
        else
            low = middle + 1
        end
    end
    return low
end

-- Put the buffered extent into the backend, which keeps the empty buffer for the next one.
function Image:flush()
    local buffer, backend = self.buffer, self.backend
    if buffer then
        self.buffer, backend.spare = nil, buffer
        self.at[buffer.index] = backend:append(buffer)
        for i = #buffer, 1, -1 do
            buffer[i] = nil
        end
    end
end

-- A new extent before the one with index `i`.
function Image:insert(i, offset, data)
    self:flush()
    table.insert(self.first, i, offset)
    table.insert(self.stop, i, offset + #data)
    table.insert(self.at, i, false)
    local buffer = self.backend.spare or {}
    self.buffer, self.backend.spare = buffer, nil
    buffer[1], buffer.index = data, i
    buffer.first, buffer.stop, buffer.room = offset, offset + #data, self.first[i + 1] or math.huge
    self.octets = self.octets + #data
end

-- Octets [offset, offset + size) of extent `i`.
function Image:extent(i, offset, size)
    local at = self.at[i]
    if at then
        return self.backend:part(at, offset - self.first[i], size)
    end
    local text = table.concat(self.buffer)
    for j = #self.buffer, 2, -1 do
        self.buffer[j] = nil
    end
    self.buffer[1] = text
    offset = offset - self.buffer.first
    return text:sub(offset + 1, offset + size)
end

local function differing(self, offset, old, new)
    local marks = self.marks or { count = 0 }
    self.marks = marks
    local different = 0
    for i = 1, #new do
        if old:byte(i) ~= new:byte(i) then
            different = different + 1
            local place = offset + i - 1
            if not marks[place] and marks.count < CONFLICTS_KEPT then
                marks[place] = true
                marks.count = marks.count + 1
                self.conflicting = self.conflicting + 1
            end
        end
    end
    return different
end

-- Takes in octets that go on with the last ones; whether they do.
function Image:append(offset, data)
    local buffer, stop = self.buffer, offset + #data
    if not buffer or offset ~= buffer.stop or stop > buffer.room or offset - buffer.first >= PIECE then
        return false
    end
    buffer[#buffer + 1] = data
    buffer.stop, self.stop[buffer.index] = stop, stop
    self.octets = self.octets + #data
    return true
end

-- Whether the last octets that were taken in, one after the other, are these.
function Image:ends_with(offset, data)
    local buffer = self.buffer
    return buffer and offset + #data == buffer.stop and buffer[#buffer] == data
end

-- Take in a block. Returns how many of its octets were new, and how many differ from what was there.
function Image:put(offset, data)
    if offset + #data > self.limit then
        local kept = math.max(self.limit - offset, 0)
        self.refused = self.refused + #data - kept
        data = data:sub(1, kept)
    end
    local size = #data
    if self:append(offset, data) then
        return size, 0
    end
    local new, different = 0, 0
    local done = 0
    while done < size do
        local here = offset + done
        local i = self:search(here)
        local first = self.first[i]
        if first and first <= here then
            local many = math.min(self.stop[i] - here, size - done)
            local old, fresh = self:extent(i, here, many), data:sub(done + 1, done + many)
            if old ~= fresh then
                different = different + differing(self, here, old, fresh)
            end
            done = done + many
        else
            local many = math.min((first or math.huge) - here, size - done)
            self:insert(i, here, data:sub(done + 1, done + many))
            new = new + many
            done = done + many
        end
    end
    return new, different
end

-- Octets [offset, stop), or nothing when they are not all there.
function Image:read(offset, stop)
    local parts = {}
    for i = self:search(offset), #self.first do
        if offset >= stop or self.first[i] > offset then
            break
        end
        local many = math.min(self.stop[i], stop) - offset
        parts[#parts + 1] = self:extent(i, offset, many)
        offset = offset + many
    end
    return offset >= stop and table.concat(parts) or nil
end

-- Calls `take` with octets [offset, stop), piece by piece; they must all be there.
function Image:pieces(offset, stop, take)
    while offset < stop do
        local many = math.min(self.stop[self:search(offset)], stop) - offset
        take(self:read(offset, offset + many))
        offset = offset + many
    end
end

-- The parts of [0, size) that are not there, as a list of {start, stop}.
function Image:gaps(size)
    local found, at = {}, 0
    for i = 1, #self.first do
        if self.first[i] >= size then
            break
        end
        if self.first[i] > at then
            found[#found + 1] = { at, self.first[i] }
        end
        at = self.stop[i]
    end
    if at < size then
        found[#found + 1] = { at, size }
    end
    return found
end

-- How many octets of [0, size) are there.
function Image:within(size)
    local missing = 0
    for _, gap in ipairs(self:gaps(size)) do
        missing = missing + gap[2] - gap[1]
    end
    return size - missing
end

-- Where the last octet ends.
function Image:reach()
    return self.stop[#self.stop] or 0
end

return M
