-- The commands of the OTA Upgrade cluster 0x0019 (ZCL 11.13) and default responses to them, from the octets of a
-- ZCL frame. Wireshark leaves fields out (the minimum block period behind WAIT_FOR_DATA, data of a block that is too
-- short), so everything is read here. What a frame has no room for is absent, not guessed.

local M = {}

local byte, sub = string.byte, string.sub

M.DEFAULT_RESPONSE = 0x100
M.SUCCESS, M.ABORT, M.WAIT_FOR_DATA = 0x00, 0x95, 0x97

M.COMMANDS = {
    [0] = "Image Notify",
    "Query Next Image Request",
    "Query Next Image Response",
    "Image Block Request",
    "Image Page Request",
    "Image Block Response",
    "Upgrade End Request",
    "Upgrade End Response",
    "Query Device Specific File Request",
    "Query Device Specific File Response",
}

M.STATUSES = {
    [0x00] = "SUCCESS",
    [0x7e] = "NOT_AUTHORIZED",
    [0x80] = "MALFORMED_COMMAND",
    [0x81] = "UNSUP_COMMAND",
    [0x85] = "INVALID_FIELD",
    [0x89] = "INSUFFICIENT_SPACE",
    [0x94] = "TIMEOUT",
    [0x95] = "ABORT",
    [0x96] = "INVALID_IMAGE",
    [0x97] = "WAIT_FOR_DATA",
    [0x98] = "NO_IMAGE_AVAILABLE",
    [0x99] = "REQUIRE_MORE_IMAGE",
}

function M.status(code)
    return M.STATUSES[code] or string.format("status 0x%02x", code)
end

local function u16(text, at)
    local a, b = byte(text, at, at + 1)
    return b and a + b * 256 or false
end

local function u32(text, at)
    local a, b, c, d = byte(text, at, at + 3)
    return d and a + b * 256 + c * 65536 + d * 16777216 or false
end

-- Manufacturer code, image type and file version stand together; returns where they end, nothing if there is no room.
local function identity(m, text, at)
    local m0, m1, t0, t1, v0, v1, v2, v3 = byte(text, at, at + 7)
    if not v3 then
        return nil
    end
    m.manufacturer, m.image_type = m0 + m1 * 256, t0 + t1 * 256
    m.version = v0 + v1 * 256 + v2 * 65536 + v3 * 16777216
    return at + 8
end

local readers = {}

readers[0x00] = function(m, text, at)
    local kind = byte(text, at)
    m.payload_type, m.jitter = kind, byte(text, at + 1)
    if kind >= 1 and kind <= 3 then
        m.manufacturer = u16(text, at + 2)
    end
    if kind == 2 or kind == 3 then
        m.image_type = u16(text, at + 4)
    end
    if kind == 3 then
        m.version = u32(text, at + 6)
        return m.version
    end
    return m.jitter and (kind == 0 or kind > 3 or m.image_type or kind == 1 and m.manufacturer)
end

readers[0x01] = function(m, text, at)
    local control = byte(text, at)
    at = identity(m, text, at + 1)
    if at and control % 2 == 1 then
        m.hardware = u16(text, at)
        m.short = not m.hardware
    end
    return at
end

readers[0x02] = function(m, text, at)
    m.status = byte(text, at)
    if m.status ~= M.SUCCESS then
        return true
    end
    at = identity(m, text, at + 1)
    m.image_size = at and u32(text, at)
    return m.image_size
end

-- Identity, offset and size of a block: the same octets in a request and in an answer, and read often.
local function block(m, text, at)
    local m0, m1, t0, t1, v0, v1, v2, v3, o0, o1, o2, o3, size = byte(text, at, at + 12)
    if not size then
        identity(m, text, at)
        return nil
    end
    m.manufacturer, m.image_type = m0 + m1 * 256, t0 + t1 * 256
    m.version = v0 + v1 * 256 + v2 * 65536 + v3 * 16777216
    m.offset, m.size = o0 + o1 * 256 + o2 * 65536 + o3 * 16777216, size
    return at + 13
end

readers[0x03] = function(m, text, at)
    local control = byte(text, at)
    at = block(m, text, at + 1)
    if not at or control % 4 == 0 then
        return at
    end
    if control % 2 == 1 then
        if #text < at + 7 then
            m.short = true
            return true
        end
        at = at + 8
    end
    if control % 4 >= 2 then
        m.period = u16(text, at)
        m.short = not m.period
    end
    return true
end

readers[0x04] = function(m, text, at)
    at = identity(m, text, at + 1)
    m.spacing = at and u16(text, at + 7)
    if not m.spacing then
        return nil
    end
    m.offset, m.size, m.page_size = u32(text, at), byte(text, at + 4), u16(text, at + 5)
    return true
end

readers[0x05] = function(m, text, at)
    m.status = byte(text, at)
    if m.status == M.WAIT_FOR_DATA then
        m.current_time, m.request_time = u32(text, at + 1), u32(text, at + 5)
        m.period = u16(text, at + 9)
        return m.request_time
    elseif m.status ~= M.SUCCESS then
        return true
    end
    at = block(m, text, at + 1)
    m.data = at and sub(text, at)
    return at
end

readers[0x06] = function(m, text, at)
    m.status = byte(text, at)
    identity(m, text, at + 1)
    return #text == at or m.version
end

readers[0x07] = function(m, text, at)
    at = identity(m, text, at)
    m.request_time = at and u32(text, at + 4)
    m.current_time = m.request_time and u32(text, at)
    return m.request_time
end

readers[0x08] = function(m, text, at)
    at = identity(m, text, at + 8)
    return at and u16(text, at)
end

readers[0x09] = readers[0x02]

-- What a message does not have is false: a key that comes and goes makes Lua build its table anew again and again.
local function forget(m)
    m.answered, m.status, m.short, m.malformed = false, false, false, false
    m.manufacturer, m.image_type, m.version = false, false, false
    m.offset, m.size, m.data, m.page_size, m.spacing = false, false, false, false, false
    m.current_time, m.request_time, m.period, m.image_size = false, false, false, false
    m.hardware, m.payload_type, m.jitter = false, false, false
end

-- Whether a message writes over all that one of the same command left: most are requests and blocks.
local function is_written_over(m, command, text)
    if command == 0x03 then
        m.short, m.period = false, false
        return true
    end
    return command == 0x05 and m.status == M.SUCCESS and byte(text, 4) == M.SUCCESS
end

-- The message in a ZCL frame of the cluster, in the table `m` (which may have held another): nothing if it is another
-- command, `malformed` if octets are missing.
function M.parse(text, m)
    local control, sequence, command = byte(text, 1, 3)
    if not command or control % 8 >= 4 then -- too short, or manufacturer specific: no command of this cluster
        return nil
    end
    if m.command ~= command or m.malformed or not is_written_over(m, command, text) then
        forget(m)
    end
    m.sequence = sequence
    if control % 4 == 0 then
        if command ~= 0x0b then
            return nil
        end
        m.command = M.DEFAULT_RESPONSE
        m.answered, m.status = byte(text, 4, 5)
        m.malformed = not m.status
        return m
    end
    local reader = control % 4 == 1 and readers[command]
    if not reader then
        return nil
    end
    m.command = command
    m.malformed = #text < 4 or not reader(m, text, 4)
    return m
end

return M
