-- The transfers of a capture, as JSON for programs and as a table for people.

local image, gbcs = ...

local M = {}

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\" }

local function text(value)
    return '"' .. value:gsub('[%c"\\\127-\255]', function(c)
        return ESCAPES[c] or string.format("\\u%04x", c:byte())
    end) .. '"'
end

local function json(value)
    if type(value) == "table" then
        local parts = {}
        if value[1] ~= nil or next(value) == nil then
            for _, one in ipairs(value) do
                parts[#parts + 1] = json(one)
            end
            return "[" .. table.concat(parts, ", ") .. "]"
        end
        for name, one in pairs(value) do
            parts[#parts + 1] = text(name) .. ": " .. json(one)
        end
        table.sort(parts)
        return "{" .. table.concat(parts, ", ") .. "}"
    elseif type(value) == "string" then
        return text(value)
    elseif type(value) == "number" then
        return string.format("%.0f", value)
    end
    return tostring(value)
end

local function eui64(octets)
    return octets and (gbcs.hex(octets:reverse()):gsub("(%x%x)", "%1:", 7))
end

local function party(device)
    return { short = device.short, eui64 = eui64(device.eui64) }
end

-- The plain data of a transfer, as `hanscope analyze --format json` names it.
function M.plain(one)
    return {
        id = string.format("T%d", one.number),
        transfer = one.id,
        attempt = one.attempt,
        client = party(one.client),
        server = party(one.server),
        manufacturer_code = one.manufacturer,
        image_type = one.image_type,
        file_version = one.version,
        image_size = one.image_size,
        received_bytes = one.received,
        missing_ranges = one.missing,
        conflicting_bytes = one.conflicting,
        state = one.state,
        complete = one.complete,
        sha256 = image.file_hash(one.of),
        manufacturer_image_sha256 = (image.manufacturer_hash(one.of)),
        first_frame = one.first_frame,
        last_frame = one.last_frame,
        block_requests = one.block_requests,
        block_responses = one.block_responses,
        page_requests = one.page_requests,
        wait_responses = one.waits,
        upgrade_at = one.upgrade_at,
    }
end

-- Everything that is known of a capture.
function M.json(known)
    local transfers, messages = {}, {}
    for _, one in ipairs(known.tracker:transfers()) do
        transfers[#transfers + 1] = M.plain(one)
    end
    for _, found in ipairs(known.hashes) do
        messages[#messages + 1] = {
            frame = found.frame,
            message_code = found.message.code,
            use_case = found.name,
            cra_flag = found.message.cra,
            originator = found.message.originator,
            target = found.message.target,
            hash = found.hash,
            alert = found.alert,
            result = found.result,
            firmware_version = found.version,
        }
    end
    return json({ schema = "hanscope.wireshark/1", transfers = transfers, messages = messages })
end

local function cells(one)
    local size = one.image_size
    local client = eui64(one.client.eui64) or string.format("0x%04x", one.client.short)
    return {
        string.format("%d", one.id),
        client,
        string.format("%04x/%04x/%08x", one.manufacturer, one.image_type, one.version),
        string.format("%d", one.attempt),
        size and string.format("%d", size) or "?",
        size and size > 0 and string.format("%.1f %%", one.received * 100 / size) or string.format("%d", one.received),
        one.state,
        string.format("%d", one.first_frame),
        string.format("%d", one.last_frame),
    }
end

local HEAD = { "No.", "Client", "Image", "Try", "Octets", "Received", "State", "First", "Last" }

-- The table of transfers, as text.
function M.table(transfers)
    local lines, width = { HEAD }, {}
    for _, one in ipairs(transfers) do
        lines[#lines + 1] = cells(one)
    end
    for _, line in ipairs(lines) do
        for i, cell in ipairs(line) do
            width[i] = math.max(width[i] or 0, #cell)
        end
    end
    local shown = {}
    for _, line in ipairs(lines) do
        local padded = {}
        for i, cell in ipairs(line) do
            padded[i] = cell .. string.rep(" ", width[i] - #cell)
        end
        shown[#shown + 1] = (table.concat(padded, "  "):gsub(" +$", ""))
    end
    return table.concat(shown, "\n") .. "\n"
end

-- Which GBCS messages carry a hash, and which of the transfers' Manufacturer Images has it.
function M.hashes(transfers, messages)
    local lines, owner = {}, {}
    for _, one in ipairs(transfers) do
        local hash, layout = image.manufacturer_hash(one.of)
        if hash then
            owner[hash] = owner[hash] or {}
            table.insert(owner[hash], string.format("%d", one.id))
            lines[#lines + 1] = string.format("transfer %d  %s  Manufacturer Image (%s)", one.id, hash, layout)
        elseif layout then
            lines[#lines + 1] = string.format("transfer %d  no GB image (%s)", one.id, layout)
        else
            lines[#lines + 1] = string.format("transfer %d  not complete: its hash is not known", one.id)
        end
    end
    for _, found in ipairs(messages) do
        if found.hash then
            local of = owner[found.hash]
            local told = of and "that of transfer " .. table.concat(of, ", ") or "of no whole image in this capture"
            lines[#lines + 1] = string.format("frame %d  %s  %s: %s", found.frame, found.hash, found.name, told)
        end
    end
    return table.concat(lines, "\n") .. "\n"
end

return M
