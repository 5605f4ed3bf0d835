-- Reads cases "FLOOR start-end,... start-end,..." (the gaps, then what was asked for in order), and prints the gaps
-- with their reasons.

local T = dofile(arg[0]:match("^(.*[/\\])") .. "modules.lua")

local function ranges(text)
    local found = {}
    for first, stop in text:gmatch("(%d+)-(%d+)") do
        found[#found + 1] = { tonumber(first), tonumber(stop) }
    end
    return found
end

for line in io.lines() do
    local floor, gaps, asked = line:match("^(%d+) (%S*) (%S*)$")
    local course = T.course.new()
    for _, one in ipairs(ranges(asked)) do
        course:ask(one[1], one[2])
    end
    local told = {}
    for _, gap in ipairs(course:reasons(ranges(gaps), tonumber(floor))) do
        told[#told + 1] = string.format("%d-%d %s", gap[1], gap[2], gap[3])
    end
    print(table.concat(told, ","))
end
