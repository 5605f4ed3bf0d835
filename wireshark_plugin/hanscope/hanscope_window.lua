-- Tools -> hanscope: the table of transfers, hashes, and the export of images. Needs Wireshark's window.

local report, image, known_now = ...

if not report then
    return -- Wireshark loads every file of the folder; this one works for hanscope.lua
end

local function transfers()
    local known = known_now()
    return known and known.tracker:transfers() or {}, known
end

local function show(title, text)
    local window = TextWindow.new(title)
    window:set(text)
    return window
end

local NOTHING = "No firmware transfer has been read. Wireshark needs the keys (Edit, Preferences, Protocols, ZigBee).\n"

local function table_text()
    local found = transfers()
    return #found > 0 and report.table(found) or NOTHING
end

local function hashes_text()
    local found, known = transfers()
    return #found > 0 and report.hashes(found, known.hashes) or NOTHING
end

-- Writes octets [0, size) of an image; what is missing is zero, and listed in a file beside it.
local function write_image(one, path)
    local file, why = io.open(path, "wb")
    if not file then
        return nil, why
    end
    local at, size = 0, one.image_size or one.of.image:reach()
    for _, gap in ipairs(one.of.image:gaps(size)) do
        one.of.image:pieces(at, gap[1], function(text)
            file:write(text)
        end)
        local rest = gap[2] - gap[1]
        while rest > 0 do
            local many = math.min(rest, 65536)
            file:write(string.rep("\0", many))
            rest = rest - many
        end
        at = gap[2]
    end
    one.of.image:pieces(at, size, function(text)
        file:write(text)
    end)
    file:close()
    return true
end

local function write_map(one, path)
    local file, why = io.open(path, "w")
    if not file then
        return nil, why
    end
    for _, gap in ipairs(one.missing) do
        file:write(string.format("%d\t%d\t%s\n", gap[1], gap[2], gap[3]))
    end
    file:close()
    return true
end

local function export(number, path)
    local wanted
    for _, one in ipairs((transfers())) do
        wanted = tostring(one.id) == number:match("^%s*(%d+)%s*$") and one or wanted
    end
    if not wanted then
        return show("hanscope: export", "There is no transfer " .. number .. ". Which there are:\n\n" .. table_text())
    end
    path = path:match("^%s*(.-)%s*$")
    if path == "" then
        return show("hanscope: export", "Name the file to write, with its folder.\n")
    end
    local taken = io.open(path, "rb")
    if taken then
        taken:close()
        return show("hanscope: export", path .. " exists already; nothing was written.\n")
    end
    local told, fine, why
    if wanted.complete then
        fine, why = write_image(wanted, path)
        told = string.format("%s\nwhole image, %d octets, SHA-256 %s\n", path, wanted.image_size,
            image.file_hash(wanted.of))
    else
        -- A partial image is never written as if it were whole.
        path = path:gsub("%.partial%.bin$", "") .. ".partial.bin"
        fine, why = write_map(wanted, path .. ".missing.txt")
        if fine then
            fine, why = write_image(wanted, path)
        end
        told = string.format("%s\nPARTIAL image, %d octets received; holes are zero and listed in\n%s.missing.txt\n",
            path, wanted.received, path)
    end
    return show("hanscope: export", fine and told or "Could not be written: " .. tostring(why) .. "\n")
end

local function ask_export()
    new_dialog("hanscope: export an image", export, "Transfer (number of the table)", "File to write")
end

local function show_table()
    local window = show("hanscope: firmware transfers", table_text())
    pcall(function()
        window:add_button("Read again", function()
            window:set(table_text())
        end)
        window:add_button("Hashes", function()
            window:set(hashes_text())
        end)
        window:add_button("Export ...", ask_export)
    end)
end

register_menu("hanscope/Firmware transfers", show_table, MENU_TOOLS_UNSORTED)
register_menu("hanscope/Hashes of Manufacturer Images", function()
    show("hanscope: hashes", hashes_text())
end, MENU_TOOLS_UNSORTED)
register_menu("hanscope/Export an image ...", ask_export, MENU_TOOLS_UNSORTED)
