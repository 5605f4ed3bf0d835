-- For tests: loads the plugin's modules the way the plugin does, and tells in one line what fails.

local FOLDER = arg[1]

local T = {}

function T.module(name, ...)
    return assert(loadfile(FOLDER .. "/hanscope_" .. name .. ".lua"))(...)
end

local ota, store, course = T.module("ota"), T.module("store"), T.module("course")
T.ota, T.store, T.course = ota, store, course
T.tracker = T.module("tracker", ota, store, T.module("attempt", course))
T.sha256, T.gbcs, T.log = T.module("sha256"), T.module("gbcs"), T.module("log")
T.image = T.module("image", T.sha256)
T.rules = T.module("rules", T.tracker, ota)
local asking = T.module("asked")
T.asked, T.once, T.shows_twice = asking.asked, asking.once, asking.shows_twice
T.report = T.module("report", T.image, T.gbcs)

-- Octets of hexadecimal digits; blanks are for people.
function T.octets(hex)
    return (hex:gsub("%s", ""):gsub("%x%x", function(two)
        return string.char(tonumber(two, 16))
    end))
end

function T.same(found, wanted, what)
    if found ~= wanted then
        error(string.format("%s: %s instead of %s", what or "?", tostring(found), tostring(wanted)), 2)
    end
end

-- Runs functions of a table, by name.
function T.run(tests)
    local names = {}
    for name in pairs(tests) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        local fine, why = xpcall(tests[name], debug.traceback)
        if not fine then
            print("FAILED " .. name .. ": " .. tostring(why))
            os.exit(1)
        end
    end
    print("passed " .. #names)
end

return T
