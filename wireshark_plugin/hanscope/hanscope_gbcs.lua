-- GBCS messages about firmware, from the data that tunnels carry (GBCS sections 7, 10.2.2, 11; DLMS, GBZ and ASN.1
-- payloads): activation (CS06), its outcome, the distribution receipt (8F72, 8F1C), the Communications Hub's and the
-- PPMID's alerts (CCS08, CS09), and reads of the version. Numbers are big-endian here.

local M = {}

local byte = string.byte

M.CRA = { "Command", "Response", "Alert" }

M.USE_CASES = {
    [0x0012] = "CS06 Activate Firmware",
    [0x0059] = "ECS52 Read ESME/CHF Firmware Version",
    [0x0084] = "GCS38 Read GSME Firmware Version",
    [0x00ca] = "CS06 Activate Firmware (future dated outcome)",
    [0x00ce] = "Firmware Distribution Receipt (ESME)",
    [0x00cf] = "Firmware Distribution Receipt (GSME)",
    [0x0128] = "CCS08 Firmware Transfer",
    [0x0129] = "CS08 Read PPMID/HCALCS Firmware Version",
    [0x012b] = "CS09 PPMID Firmware Activation",
}

M.ALERTS = {
    [0x8f1c] = "Firmware Verification Failed",
    [0x8f66] = "future dated command carried out",
    [0x8f67] = "future dated command not carried out",
    [0x8f72] = "Firmware Verification Successful",
    [0x8f89] = "firmware transfer failed",
    [0x8f8a] = "firmware transfer succeeded",
    [0x8f8b] = "firmware activation by the PPMID",
}

M.ACTIVATION_OUTCOMES = { [0] = "success", "no image held", "hash mismatch", "activation failure" }
M.TRANSFER_RESULTS = { [0] = "success", "image discarded", "hardware version mismatch", "file transfer failure" }
M.RESULTS = { [0] = "success", "failure" }

local function hex(text)
    return (text:gsub(".", function(c)
        return string.format("%02x", byte(c))
    end))
end
M.hex = hex

local function eui64(text)
    return (hex(text):gsub("(%x%x)", "%1:", 7))
end

-- A cursor over octets: everything it gives is nothing once there are too few.

local Cursor = {}
Cursor.__index = Cursor

local function cursor(text)
    return setmetatable({ text = text, at = 1 }, Cursor)
end

function Cursor:take(count)
    if not count or self.broken or self.at + count - 1 > #self.text then
        self.broken = true
        return nil
    end
    local part = self.text:sub(self.at, self.at + count - 1)
    self.at = self.at + count
    return part
end

function Cursor:number(octets)
    local part = self:take(octets)
    local value = part and 0
    for i = 1, part and octets or 0 do
        value = value * 256 + byte(part, i)
    end
    return value
end

-- A length as BER writes it; not always in its shortest form.
function Cursor:length()
    local first = self:number(1)
    if not first or first < 0x80 then
        return first
    elseif first > 0x83 or first == 0x80 then
        self.broken = true
        return nil
    end
    return self:number(first - 0x80)
end

function Cursor:expect(...)
    for _, wanted in ipairs({ ... }) do
        if self:number(1) ~= wanted then
            self.broken = true
        end
    end
    return not self.broken
end

function Cursor:more()
    return not self.broken and self.at <= #self.text
end

function Cursor:rest()
    return self:take(#self.text - self.at + 1)
end

-- What the header before a gas meter's messages hides (GET, GET-RESPONSE, PUT); other data as it is.
function M.unwrap(data)
    local first = byte(data, 1)
    if first == 0x01 then
        return ""
    elseif first == 0x02 then
        return data:sub(3)
    elseif first == 0x03 then
        return data:sub(2)
    end
    return data
end

local function identities(c)
    local found = {}
    if c:expect(0x09) then
        found.cra = c:number(1)
        local counter = c:take(8)
        found.counter = counter and hex(counter)
        c:expect(0x08)
        found.originator = c:take(8)
        c:expect(0x08)
        found.target = c:take(8)
        c:take(c:number(1)) -- date and time
    end
    return found
end

-- A block of a General Block Transfer: identities, number, last, data; nothing if the octets are none.
function M.block(data)
    if data:sub(1, 2) ~= "\221\009" then
        return nil
    end
    local c = cursor(data)
    c:take(1)
    local found = identities(c)
    local other = c:take(c:length())
    c:take(c:length()) -- key info
    c:length()
    c:take(5)
    c:expect(0xe0)
    local control = c:number(1)
    found.number = c:number(2)
    c:number(2)
    found.data = c:take(c:length())
    if not found.data then
        return nil
    end
    found.last = control >= 0x80
    found.key = found.originator .. found.target .. string.char(found.cra) .. found.counter .. other:sub(1, 2)
    return found
end

-- A whole message: identities, message code, payload; nothing if the octets are none.
function M.message(data)
    local c = cursor(data)
    if data:sub(1, 2) == "\221\000" then
        c:take(7)
        c:length()
        c:take(5)
    end
    if not c:expect(0xdf) then
        return nil
    end
    local found = identities(c)
    local other = c:take(c:length())
    found.payload = c:take(c:length())
    if not found.payload or #other < 2 then
        return nil
    end
    found.code = byte(other, 1) * 256 + byte(other, 2)
    found.party = #other >= 10 and eui64(other:sub(3, 10)) or nil
    found.originator, found.target = eui64(found.originator), eui64(found.target)
    return found
end

-- ASN.1

local function value(c, tag)
    c:expect(tag)
    return c:take(c:length())
end

local function integer(c)
    local text = value(c, 0x02)
    if not text or #text == 0 or #text > 6 then
        c.broken = true
        return nil
    end
    return cursor(text):number(#text)
end

local function sequence(c)
    return cursor(value(c, 0x30) or "")
end

local function version(c)
    local text = value(c, 0x04)
    return text and #text == 4 and cursor(text):number(4) or nil
end

local function outcome(found, c)
    found.outcome, found.version = integer(c), version(c)
    found.result = M.ACTIVATION_OUTCOMES[found.outcome]
end

local decoders = {}

decoders[0x0012] = function(found, c, cra)
    if cra == 1 then
        local inner = sequence(c)
        local hash = value(inner, 0x04)
        found.hash = hash and #hash == 32 and hex(hash) or nil
        integer(inner)
        if inner:more() then
            found.execution = value(inner, 0x18)
            found.cancels = found.execution ~= nil and found.execution:sub(1, 4) == "9999"
        end
        return inner
    elseif c.text:sub(1, 1) == "\005" then
        found.result = "accepted (future dated or cancelled)"
        return c
    end
    local inner = sequence(c)
    outcome(found, inner)
    return inner
end

decoders[0x00ca] = function(found, c)
    local inner = sequence(c)
    found.alert = integer(inner)
    found.execution = value(inner, 0x18)
    integer(inner)
    outcome(found, sequence(inner))
    return inner
end

decoders[0x00ce] = function(found, c)
    c:expect(0x0f)
    c:take(4)
    c:expect(0x00, 0x02, 0x03, 0x12)
    found.alert = c:number(2)
    c:expect(0x09)
    c:take(c:length())
    c:expect(0x09)
    local hash = c:take(c:length())
    found.hash = hash and #hash == 32 and hex(hash) or nil
    return c
end

decoders[0x00cf] = function(found, c)
    c:expect(0x01, 0x09)
    c:take(1)
    found.alert = c:number(2)
    c:take(4)
    c:expect(0x09)
    local hash = c:take(c:length())
    found.hash = hash and #hash == 32 and hex(hash) or nil
    return c
end

decoders[0x0128] = function(found, c)
    local inner = sequence(c)
    found.alert = integer(inner)
    found.time = value(inner, 0x18)
    local device = value(inner, 0x04)
    found.device = device and #device == 8 and eui64(device) or nil
    found.version = version(inner)
    found.outcome = integer(inner)
    found.result = M.TRANSFER_RESULTS[found.outcome]
    return inner
end

decoders[0x012b] = function(found, c)
    local inner = sequence(c)
    found.alert = integer(inner)
    found.time = value(inner, 0x18)
    found.version = version(inner)
    found.outcome = integer(inner)
    found.result = M.RESULTS[found.outcome]
    return inner
end

decoders[0x0129] = function(found, c, cra)
    if cra ~= 2 then
        return c
    end
    local inner = sequence(c)
    found.version = version(inner)
    found.outcome = integer(inner)
    found.result = M.RESULTS[found.outcome]
    return inner
end

decoders[0x0059] = function(found, c, cra)
    if cra ~= 2 then
        return c
    end
    c:expect(0xda)
    c:take(4)
    c:expect(0x00, 0x00, 0x01)
    local kind = c:number(1)
    if kind == 0x09 then
        found.version = c:length() == 4 and c:number(4) or nil
    end
    c:take(2)
    found.outcome = c:number(1)
    found.result = M.RESULTS[found.outcome]
    return c
end

decoders[0x0084] = function(found, c, cra)
    if cra ~= 2 then
        return c
    end
    c:expect(0x01, 0x09, 0x01)
    c:take(8) -- control, cluster, length, ZCL header
    c:expect(0x06, 0x02)
    found.outcome = c:number(1)
    found.result = M.RESULTS[found.outcome] or "failure"
    if found.outcome == 0 then
        c:expect(0x41, 0x04)
        found.version = c:number(4)
    end
    return c
end

-- What a message says about firmware: name, and whichever there are of hash, alert, execution, outcome, result,
-- version, device; nothing if it is about something else. `malformed`: its payload is not what the use case has.
function M.firmware(message)
    local name = M.USE_CASES[message.code]
    if not name then
        return nil
    end
    local found = { name = name }
    local c = decoders[message.code](found, cursor(message.payload), message.cra)
    found.malformed = c.broken
    found.event = found.alert and M.ALERTS[found.alert]
    return found
end

-- Puts blocks together. The first copy of a block counts; so many messages and octets wait at most.

local Blocks = {}
Blocks.__index = Blocks

local MESSAGES_KEPT, BLOCKS_KEPT, OCTETS_KEPT = 64, 256, 65536

function M.blocks()
    return setmetatable({ waiting = {}, order = {} }, Blocks)
end

-- The message that a block completes, or nothing yet.
function Blocks:put(block)
    local parts = self.waiting[block.key]
    if not parts then
        parts = { octets = 0, count = 0 }
        self.waiting[block.key] = parts
        self.order[#self.order + 1] = block.key
        if #self.order > MESSAGES_KEPT then
            self.waiting[table.remove(self.order, 1)] = nil
        end
    end
    local full = parts.count >= BLOCKS_KEPT or parts.octets + #block.data > OCTETS_KEPT
    if #block.data == 0 or parts[block.number] or full then
        return nil
    end
    parts[block.number] = block.data
    parts.octets, parts.count = parts.octets + #block.data, parts.count + 1
    parts.last = block.last and block.number or parts.last
    if parts.last ~= parts.count or #parts ~= parts.count then
        return nil
    end
    return table.concat(parts)
end

return M
