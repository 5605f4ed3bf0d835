-- What an OTA upgrade image is (ZCL 11.4; GBCS section 11.2), as `hanscope image` tells it: elements behind the header,
-- or a Manufacturer Image of a GB device, with `00 40` and 64 octets of signature behind it or (a PPMID's) without.

local sha256 = ...

local M = {}

local MAGIC = "\030\241\238\011"
local SMALLEST_HEADER, ELEMENT_HEAD, TRAILER = 56, 6, 66
local MOST_ELEMENTS = 10000
local SEARCHED = 4096
local PPMID, SAMPLE_CONTROL = 0x0084, 0x0004
local FIRST_MANUFACTURER_TAG = 0xf000

local function u16(text, at)
    local a, b = text:byte(at, at + 1)
    return a + b * 256
end

local function u32(text, at)
    return u16(text, at) + u16(text, at + 2) * 65536
end

local function header_at(image, offset)
    local text = image:read(offset, offset + SMALLEST_HEADER)
    if not text or text:sub(1, 4) ~= MAGIC then
        return nil
    end
    return {
        offset = offset,
        version = u16(text, 5),
        length = u16(text, 7),
        control = u16(text, 9),
        manufacturer = u16(text, 11),
        image_type = u16(text, 13),
        file_version = u32(text, 15),
        name = (text:sub(21, 52):gsub("%z+$", ""):gsub("[^\032-\126]", ".")),
        size = u32(text, 53),
    }
end

-- The header of the image: at its beginning, or behind a container.
function M.header(image, size)
    local header = header_at(image, 0)
    if header then
        return header
    end
    local begin = image:read(0, math.min(size, SEARCHED + 4))
    local at = begin and begin:find(MAGIC, 2, true)
    while at do
        header = header_at(image, at - 1)
        if header and header.version == 0x0100 and header.length >= SMALLEST_HEADER then
            return header
        end
        at = begin:find(MAGIC, at + 1, true)
    end
    return nil
end

-- Whether what follows the header are elements that end where the image ends.
local function are_elements(image, start, stop, size)
    local at, count = start, 0
    if start >= stop or stop > size then
        return false
    end
    while at < stop do
        count = count + 1
        if count > MOST_ELEMENTS or at + ELEMENT_HEAD > stop then
            return false
        end
        local head = image:read(at, at + ELEMENT_HEAD)
        local tag, length = u16(head, 1), u32(head, 3)
        at = at + ELEMENT_HEAD + length
        if at > stop or tag == 0 and length == 0 then
            return false
        elseif count == 1 and tag == FIRST_MANUFACTURER_TAG and length > 0 and length % 16 == 0 and stop - at == 2 then
            return true -- Telink's form leaves two octets out of the length
        end
    end
    return true
end

-- What a whole image of `size` octets is: layout, header, and the octets [start, stop) of a GB Manufacturer Image.
function M.examine(image, size)
    local header = M.header(image, size)
    if not header or header.length < SMALLEST_HEADER then
        return { layout = "opaque", header = header }
    end
    local start, stop = header.offset + header.length, header.offset + header.size
    if are_elements(image, start, stop, size) then
        return { layout = "zigbee-elements", header = header }
    elseif stop <= size and stop - TRAILER > start and image:read(stop - TRAILER, stop - TRAILER + 2) == "\0\064" then
        return { layout = "gbcs-signed", header = header, start = start, stop = stop - TRAILER }
    elseif stop <= size and start < stop and header.control == SAMPLE_CONTROL and header.image_type == PPMID then
        return { layout = "gbcs-plain", header = header, start = start, stop = stop }
    end
    return { layout = "opaque", header = header }
end

-- SHA-256 of octets [start, stop).
function M.hash(image, start, stop)
    local hash = sha256.new()
    image:pieces(start, stop, function(text)
        hash:update(text)
    end)
    return hash:hex()
end

-- SHA-256 of the file of a complete attempt, kept with it; nothing unless it is complete.
function M.file_hash(attempt)
    if not attempt:is_complete() then
        return nil
    end
    attempt.hashes = attempt.hashes or {}
    local hashes = attempt.hashes
    hashes.file = hashes.file or M.hash(attempt.image, 0, (attempt:image_size()))
    return hashes.file
end

-- Likewise of its Manufacturer Image, and the layout.
function M.manufacturer_hash(attempt)
    if not attempt:is_complete() then
        return nil
    end
    attempt.hashes = attempt.hashes or {}
    local hashes = attempt.hashes
    if not hashes.layout then
        local found = M.examine(attempt.image, (attempt:image_size()))
        hashes.layout, hashes.header = found.layout, found.header
        hashes.manufacturer = found.start and M.hash(attempt.image, found.start, found.stop)
    end
    return hashes.manufacturer, hashes.layout
end

return M
