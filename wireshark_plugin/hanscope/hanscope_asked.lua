-- Whether anybody will see what the plugin finds.
--
-- Wireshark builds the tree of every frame for a script that reads fields: an installed plugin would make every run of
-- tshark slower, on captures without ZigBee too. But tshark prints what its command line names, and nothing else; so
-- where nothing of ours is named, the plugin stays out of the way, and where fields are named, it adds only these.
-- The command line can be read on Linux; where it cannot, and where there is any doubt, all is asked for.

local M = {}

-- Short options that show all fields or may show any (details, a profile, statistics), and long ones.
local SHOW_ALL = "[VOCGz]"
local LONG_SHOW_ALL = "^%-%-colou?r"

-- The words of the command line of this process; nothing if they cannot be read.
function M.command_line()
    local file = io.open("/proc/self/cmdline", "rb")
    local text = file and file:read(65536)
    if file then
        file:close()
    end
    local words = {}
    for word in (text or ""):gmatch("(%Z+)%z") do
        words[#words + 1] = word
    end
    return words
end

-- Wireshark's preferences as text, where they are.
function M.preferences()
    local path = rawget(_G, "persconffile_path") and persconffile_path("preferences")
    local file = path and io.open(path, "rb")
    local text = file and file:read("*a")
    if file then
        file:close()
    end
    return text or ""
end

-- Columns may show our fields, and preferences of ours may be set.
local function is_preferred(preferences)
    for line in preferences:gmatch("[^\r\n]+") do
        if line:find("hanscope", 1, true) and not line:find("^%s*#") then
            return true
        end
    end
    return false
end

-- Whether a word of the command line shows more than it names; `next_word`: what follows it.
local function shows_all(word, next_word)
    local letters = word:match("^%-(%a+)")
    if word:find(LONG_SHOW_ALL) or word:find("$", 1, true) or letters and letters:find(SHOW_ALL) then
        return true
    elseif not letters or not letters:find("T", 1, true) then
        return false
    end
    local form = word:match("T(.+)$") or next_word
    return form ~= "fields"
end

local function is_tshark(words)
    return (words[1] or ""):match("[^/\\]*$") == "tshark"
end

-- Whether Wireshark comes to each frame once, and never again.
function M.once(words)
    for i = 2, #words do
        if words[i]:find("^%-%a*2") then -- or another option with a 2, which does no harm
            return false
        end
    end
    return is_tshark(words)
end

-- Whether the first of two passes may have to show something: to a read filter that names something of ours.
function M.shows_twice(words)
    for i = 2, #words do
        local word = words[i]
        local is_filter = word:find("^%-%w*R") or word:find("^%-%-read")
        local filter = is_filter and word .. (words[i + 1] or "") or ""
        if filter:find("hanscope", 1, true) or filter:find("expert", 1, true) or filter:find("$", 1, true) then
            return true
        end
    end
    return not is_tshark(words)
end

-- What is asked for: false if nothing of ours can be seen, true if anything can; else a table with the names of fields
-- as keys ("hanscope" is the tree itself), which are all that can be seen beside expert items.
function M.asked(words, preferences)
    if not is_tshark(words) or is_preferred(preferences) then
        return true
    end
    local names, mentioned = {}, false
    for i = 2, #words do
        local word, before = words[i], words[i - 1]
        local is_script = before == "-X" and word:find("^lua_script:.*hanscope%.lua$")
        if (before == "-X" or word:find("^%-X.")) and not is_script or shows_all(word, words[i + 1]) then
            return true -- another script may read our fields
        elseif not is_script and not before:find("^%-%a*[rw]$") then -- files may have any name
            for name in word:gmatch("hanscope[%w_.]*") do
                names[name] = true
            end
            mentioned = mentioned or word:find("hanscope", 1, true) or word:find("expert", 1, true)
            if word:find("hanscope[%w_.]*%*") then
                return true
            end
        end
    end
    return mentioned and names or false
end

return M
