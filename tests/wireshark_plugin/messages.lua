-- Reads messages as lines of hexadecimal digits, and prints what the plugin finds in each.

local T = dofile(arg[0]:match("^(.*[/\\])") .. "modules.lua")

for line in io.lines() do
    local message = T.gbcs.message(T.octets(line))
    local found = message and T.gbcs.firmware(message)
    local function told(value)
        return value and tostring(value) or "-"
    end
    if message then
        print(table.concat({
            string.format("%d", message.code), string.format("%d", message.cra), message.counter, message.originator,
            message.target, found and found.name or "-", told(found and found.malformed), told(found and found.hash),
            found and found.version and string.format("%08x", found.version) or "-",
        }, "\t"))
    else
        print("-")
    end
end
