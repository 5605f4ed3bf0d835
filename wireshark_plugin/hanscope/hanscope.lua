-- hanscope for Wireshark: follows ZigBee firmware transfers and the GBCS messages about them.
--
-- A post-dissector: it reads what Wireshark has decrypted and reassembled (so Wireshark needs the keys), and adds the
-- tree "hanscope". Pure logic is in the files beside this one, `hanscope_*.lua`; here is what needs Wireshark. Those
-- files do nothing by themselves, so it does not matter that Wireshark also loads them as plugins.
--
-- Without a window:  tshark -X lua_script:hanscope.lua -o hanscope.report:TRUE -q -r CAPTURE
-- prints the transfers as JSON when the capture has been read.

local byte, floor, max = string.byte, math.floor, math.max

if not (rawget(_G, "Proto") or rawget(_G, "register_postdissector")) then
    return -- not inside Wireshark
end

local info = {
    version = "0.1.0",
    author = "hanscope",
    description = "Firmware transfers in smart-metering Home Area Networks",
}
if set_plugin_info then
    set_plugin_info(info)
end

-- Where this file lies, and the modules beside it.

local function folder()
    local source = debug and debug.getinfo(1, "S").source or ""
    local path = source:match("^@(.*[/\\])")
    return path or (rawget(_G, "__DIR__") and __DIR__ .. package.config:sub(1, 1)) or ""
end

local FOLDER = folder()

local function module(name, ...)
    local chunk, why = loadfile(FOLDER .. "hanscope_" .. name .. ".lua")
    if not chunk then
        error("hanscope: a part of the plugin is missing: " .. tostring(why))
    end
    return chunk(...)
end

local ota = module("ota")
local sha256 = module("sha256")
local store = module("store")
local course = module("course")
local attempt_module = module("attempt", course)
local tracker = module("tracker", ota, store, attempt_module)
local image = module("image", sha256)
local gbcs = module("gbcs")
local log = module("log")
local rules = module("rules", tracker, ota)
local report = module("report", image, gbcs)
local asking = module("asked")

-- What of ours can be seen: everything, nothing, or the fields with these names; and whether each frame comes but once.
local command_line = asking.command_line()
local asked = gui_enabled() or asking.asked(command_line, asking.preferences())
local once = not gui_enabled() and asking.once(command_line)
local shows_twice = once or gui_enabled() or asking.shows_twice(command_line)

-- Garbage is collected often and in one go: a small heap that stays in the processor's cache is faster than one that is
-- swept bit by bit between frames.
if asked then
    collectgarbage("setpause", 140)
    collectgarbage("setstepmul", 1000)
end

-- What is read of each frame.

local function extractor(name)
    local there, field = pcall(Field.new, asked and name) -- each makes Wireshark build the trees of all frames
    return there and field or function() end
end

local read_zcl = extractor("zbee_zcl")
local read_aps = extractor("zbee_aps")
local read_nwk = extractor("zbee_nwk")

-- What is shown.

local first, proto = pcall(Proto, "hanscope", "hanscope: firmware transfer")
if not first then
    return -- installed, and named with -X lua_script: as well
end

local names = {} -- of fields

-- Makes fields of a kind.
local function maker(kind)
    return function(name, ...)
        local field = ProtoField[kind](name, ...)
        names[field] = name
        return field
    end
end

local bool, double, string_, uint8 = maker("bool"), maker("double"), maker("string"), maker("uint8")
local uint16, uint32, relative_time = maker("uint16"), maker("uint32"), maker("relative_time")
local numbers = maker("framenum")

local function framenum(name, text, kind)
    local there, field = pcall(numbers, name, text, base.NONE, kind)
    return there and field or uint32(name, text)
end

local REQUEST_KIND = rawget(_G, "frametype") and frametype.REQUEST
local RESPONSE_KIND = rawget(_G, "frametype") and frametype.RESPONSE

local f = {
    transfer = uint32("hanscope.transfer", "Transfer"),
    attempt = uint32("hanscope.attempt", "Attempt of this client at this image"),
    client = string_("hanscope.client", "Client"),
    server = string_("hanscope.server", "Server"),
    image = string_("hanscope.image", "Image"),
    image_size = uint32("hanscope.image_size", "Image size"),
    received = uint32("hanscope.received", "Octets received so far"),
    progress = double("hanscope.progress", "Progress in percent"),
    offset = uint32("hanscope.offset", "Offset"),
    expected = uint32("hanscope.offset.expected", "Expected offset"),
    skipped = uint32("hanscope.offset.skipped", "Octets skipped"),
    request_in = framenum("hanscope.request_in", "Answers the request in", REQUEST_KIND),
    response_in = framenum("hanscope.response_in", "Answered in", RESPONSE_KIND),
    copy_of = framenum("hanscope.copy_of", "The same message as in"),
    latency = relative_time("hanscope.latency", "Time from request to answer"),
    copy = bool("hanscope.copy", "Heard before (sent again or relayed)"),
    begins = bool("hanscope.begins", "The attempt begins to load here"),
    resumes = bool("hanscope.resumes", "Goes on after a pause or a query"),
    again = bool("hanscope.repeated", "Repeated"),
    back = bool("hanscope.out_of_order", "Out of order"),
    conflicting = uint32("hanscope.conflicting", "Conflicting octets"),
    wait = uint32("hanscope.wait", "Told to wait (s)"),
    waits = bool("hanscope.wait.pending", "WAIT_FOR_DATA is pending"),
    period = uint16("hanscope.minimum_block_period", "Minimum block period"),
    completes = bool("hanscope.completes", "The image is complete with this block"),
    state = string_("hanscope.state", "State of the transfer"),
    missing = string_("hanscope.missing", "Missing octets"),
    sha256 = string_("hanscope.sha256", "SHA-256 of the file"),
    manufacturer_hash = string_("hanscope.manufacturer_image_sha256", "Manufacturer Image Hash"),
    rule = string_("hanscope.rule", "Rule"),
    use_case = string_("hanscope.gbcs.use_case", "Use case"),
    cra = string_("hanscope.gbcs.cra", "Kind of message"),
    code = uint16("hanscope.gbcs.message_code", "Message code", base.HEX),
    originator = string_("hanscope.gbcs.originator", "Business Originator"),
    target = string_("hanscope.gbcs.target", "Business Target"),
    counter = string_("hanscope.gbcs.originator_counter", "Originator Counter"),
    alert = uint16("hanscope.gbcs.alert", "Alert code", base.HEX, gbcs.ALERTS),
    hash = string_("hanscope.gbcs.hash", "Manufacturer Image Hash in the message"),
    execution = string_("hanscope.gbcs.execution", "Execution time"),
    outcome = uint8("hanscope.gbcs.outcome", "Outcome"),
    result = string_("hanscope.gbcs.result", "Result"),
    firmware = uint32("hanscope.gbcs.firmware_version", "Firmware version", base.HEX),
    device = string_("hanscope.gbcs.device", "Device concerned"),
    hash_of = string_("hanscope.gbcs.hash_of", "Is the hash of"),
}
local fields, experts, expert_of = {}, {}, {}
for _, field in pairs(f) do
    fields[#fields + 1] = field
end
proto.fields = fields

local SEVERITY = {
    chat = expert.severity.CHAT,
    note = expert.severity.NOTE,
    warning = expert.severity.WARN,
    error = expert.severity.ERROR,
}

local function declare(rule)
    local one = ProtoExpert.new("hanscope." .. rule.id, rule.text, expert.group.PROTOCOL, SEVERITY[rule.severity])
    experts[#experts + 1] = one
    expert_of[rule.id] = one
end

for _, rule in pairs(rules.ALL) do
    declare(rule)
end
declare(rules.SAME_HASH)
declare(rules.MALFORMED)
proto.experts = experts

proto.prefs.info = Pref.bool("Tell progress in the Info column", false, "Adds transfer and progress to the Info column")
proto.prefs.hash = Pref.bool("Hash images while reading", false, "Else hashes are there when a frame is seen again")
proto.prefs.report = Pref.bool("Print the transfers as JSON", false, "tshark prints them when it has read the capture")
proto.prefs.limit = Pref.uint("Largest image (MiB)", 64, "Octets of an image beyond this are not taken in")

local visible -- whether the tree of this frame is shown in full
local wanted -- the fields that are asked for, where they are known

if type(asked) == "table" then
    wanted = {}
    for field, name in pairs(names) do
        wanted[field] = asked[name]
    end
    wanted[proto] = asked.hanscope
end

-- Whether any of some fields may be shown at all.
local function may_show(...)
    local may = not wanted
    for _, field in ipairs({ ... }) do
        may = may or wanted[field]
    end
    return may
end

local shows_links = may_show(f.request_in, f.response_in, f.copy_of, f.latency)

-- What is known of this capture, and the preferences (asking for them takes longer than a frame may).

local known
local tells_progress, hashes_early = false, false

local function begin()
    if known then
        known.tracker:close()
    end
    local following = tracker.new({ image_limit = math.min(proto.prefs.limit, 4095) * 1048576 })
    known = {
        tracker = following,
        log = not once and log.new(following.backend),
        blocks = gbcs.blocks(),
        messages = {}, -- GBCS messages about firmware, by frame
        hashes = {}, -- what they say, in order
        last = 0, -- the last frame that was taken in
        furthest = 0, -- the last frame that came
    }
end

local MESSAGES_KEPT = 20000

local function read_preferences()
    tells_progress, hashes_early = proto.prefs.info, proto.prefs.hash
end
proto.prefs_changed = read_preferences

-- Without a window: the transfers as JSON, when the capture has been read.
local reports = false

local function report_at_end()
    local tap = Listener.new("frame")
    function tap.draw()
        print(report.json(known))
    end
end

function proto.init()
    read_preferences()
    begin()
    if proto.prefs.report and not reports and not gui_enabled() then
        reports = true
        report_at_end()
    end
end

-- Reading a frame.

-- A method of Wireshark's objects, found once: each frame looks for many.
local function method(class, name)
    local there, found = pcall(function()
        return class[name]
    end)
    return there and found or function(object, ...)
        return object[name](object, ...)
    end
end

local raw_of_range, raw_of_octets, add_to = method(TvbRange, "raw"), method(Tvb, "raw"), method(TreeItem, "add")

local function bytes_of(field)
    return raw_of_range(field.range)
end

local function has(control, bit)
    return control % (2 * bit) >= bit
end

-- The EUI-64 in an auxiliary security header that begins at an octet, if it has one.
local function nonce_source(text, at)
    return has(text:byte(at) or 0, 0x20) and #text >= at + 12 and text:sub(at + 5, at + 12) or nil
end

-- The first two octets of MAC headers of data with one PAN and two short addresses.
local SHORT_DATA = {}
for low = 0x41, 0x71, 0x10 do
    for high = 0x88, 0xb8, 0x10 do
        SHORT_DATA[string.char(low, high)] = true
    end
end

-- PAN and transmitter of this hop, from the MAC header that ends with an octet. Data of ZigBee have one PAN and two
-- short addresses there; nothing is told of any others.
local function read_mac_header(text, stop)
    if stop < 9 then
        return nil
    end
    local p0, p1, _, _, s0, s1 = text:byte(stop - 5, stop)
    if s1 and SHORT_DATA[text:sub(stop - 8, stop - 7)] then
        return p0 + p1 * 256, s0 + s1 * 256
    end
    return nil
end

-- Addresses and sequence number of the NWK header behind an octet; returns where what follows the radius and it begins.
local function read_network_header(m, text, before)
    local _, high, d0, d1, s0, s1, _, sequence = text:byte(before + 1, before + 8)
    m.destination, m.source, m.nwk_sequence = d0 + d1 * 256, s0 + s1 * 256, sequence
    local at = before + 9
    if high % 0x10 >= 0x08 then
        m.destination_eui64 = text:sub(at, at + 7)
        at = at + 8
    end
    if high % 0x20 >= 0x10 then
        m.source_eui64 = text:sub(at, at + 7)
        at = at + 8
    end
    return at, high
end

-- The EUI-64 of the hop's transmitter, from the NWK header.
local function hop_of(text, at, high)
    at = at + high % 2
    at = at + (has(high, 0x04) and 2 + 2 * (text:byte(at) or 0) or 0)
    return has(high, 0x02) and nonce_source(text, at) or nil
end

-- Endpoints and counter of the APS header; returns where what follows begins.
local function read_aps_header(m, aps)
    local control, endpoint = aps:byte(1, 2)
    local at = 7
    if control % 16 >= 12 then
        at, endpoint = 8, nil
    end
    m.destination_endpoint = endpoint
    m.source_endpoint, m.counter = aps:byte(at, at + 1)
    return at + 2, control
end

-- The EUI-64 of the originator, from the APS header.
local function originator_of(aps, at, control)
    if not has(control, 0x20) then
        return nil
    elseif control >= 0x80 then -- extended header: fragmentation, and the block's number
        at = (aps:byte(at) or 0) % 4 > 0 and at + 2 or at + 1
    end
    return nonce_source(aps, at)
end

local SOMETIMES = 64 -- addresses that are known are looked at again after so many messages

-- Whom a message is from and to, and which of several that look alike it is. Returns the octets that are alike in all
-- frames between the two, if there are such and the tracker does not know them.
local function read_headers(m, aps)
    local aps_at, control = read_aps_header(m, aps)
    local nwk, following, header = read_nwk(), known.tracker, nil
    local octets, before = nwk.source, nwk.offset -- what came by radio, unless the MAC layer was secured
    local looks = following.rows % SOMETIMES == 0
    if before >= 9 and m.counter and SHORT_DATA[raw_of_octets(octets, before - 9, 2)] then
        -- of the MAC layer the addresses, of the NWK layer all up to these
        header = raw_of_octets(octets, before - 6, 12)
        m.link = not looks and following.hops[header] or false
        if m.link then
            return
        end
    end
    m.source_eui64, m.destination_eui64 = false, false
    local text = octets:raw()
    local pan, hop = read_mac_header(text, before)
    m.pan = pan
    local nwk_at, high = read_network_header(m, text, before)
    header = high % 0x20 < 0x08 and header -- no EUI64s
    if not looks and following:knows(m) then
        return header
    end
    local eui64 = hop_of(text, nwk_at, high)
    if hop == m.source then
        m.source_eui64 = m.source_eui64 or eui64
    elseif hop and eui64 then
        following:eui64_of(pan, hop, eui64)
    end
    m.source_eui64 = m.source_eui64 or originator_of(aps, aps_at, control)
    return header
end

local MORE = tracker.MORE -- the highest of the flags
local at_hand = {} -- what was found about this frame, where no log keeps it

-- Whether all that can be seen of a message, beside offsets, is in its record: that of most requests and blocks.
local function is_plain(m)
    local command = m.command
    return (command == 0x03 or command == 0x05 and m.status == ota.SUCCESS)
        and m.flags <= tracker.COPY
        and m.size > 0
        and not m.period
end

-- What was found about a message that was just taken in, for now and for when the frame is seen again.
local function record_of(m)
    local attempt, expected, frame, record, row = m.attempt, m.expected, m.frame, at_hand, nil
    if not once then
        record, row = known.log:add(frame)
    end
    record.flags, record.received, record.conflicting = m.flags, m.received, m.conflicting
    record.attempt = attempt and attempt.id
    record.expected = expected ~= m.offset and expected
    if not is_plain(m) then
        record.flags = m.flags + MORE
    end
    if shows_links then
        local request = m.request
        record.frame, record.partner = frame, m.copy_of or request and request.frame
        record.latency_us = request and max(floor((m.time - request.time) * 1e6 + 0.5), 0)
        if row and m.asks then
            m.asks.row = row
        elseif row and m.answers_first then
            known.log:answer(request.row, frame, record.latency_us)
        end
    end
    return record
end

-- Notes a frame of which all that is shown has to be read again.
local function note(frame)
    if not once then
        local record = known.log:add(frame)
        record.flags, record.received, record.conflicting = MORE, false, false
        record.attempt, record.expected, record.partner, record.latency_us = false, false, false, false
    end
end

-- Takes in a message; a frame is taken in once, whatever Wireshark does with it later.
local function follow(m, frame, time, aps)
    local header, following = read_headers(m, aps), known.tracker
    m.frame, m.time = frame, time
    known.last = frame
    if time > following.ended then
        following.ended = time
    end
    following:feed(m)
    if header then
        following:remember_hop(header, m)
    end
    if m.short and m.flags % 2 == 0 then
        m.flags = m.flags + tracker.SHORT
    end
    return record_of(m)
end

-- Showing.

local function eui64_text(eui64)
    if not eui64 then
        return nil
    end
    return (gbcs.hex(eui64:reverse()):gsub("(%x%x)", "%1:", 7))
end

local function party(device)
    if device.told_short ~= device.short or device.told_eui64 ~= device.eui64 then
        local short, eui64 = string.format("0x%04x", device.short), eui64_text(device.eui64)
        device.told_short, device.told_eui64 = device.short, device.eui64
        device.text = eui64 and eui64 .. " (" .. short .. ")" or short
    end
    return device.text
end

local function is_wanted(tree, field)
    if wanted then
        return wanted[field]
    end
    return visible or tree:referenced(field)
end

local function add(tree, field, value)
    if value and is_wanted(tree, field) then
        add_to(tree, field, value)
    end
end

local function own_tree(root)
    local tree = root:add(proto)
    tree:set_generated()
    return tree
end

local function tell_rule(tree, rule, text)
    tree:add_proto_expert_info(expert_of[rule.id], text or rule.text)
    if not rule.is_news then
        add(tree, f.rule, rule.id)
    end
end

local function interval(us)
    return NSTime(floor(us / 1000000), us % 1000000 * 1000)
end

local function missing_text(missing)
    local parts = {}
    for i, gap in ipairs(missing) do
        if i > 20 then
            parts[#parts + 1] = string.format("and %d more", #missing - 20)
            break
        end
        parts[#parts + 1] = string.format("%d-%d (%s)", gap[1], gap[2] - 1, gap[3])
    end
    return table.concat(parts, ", ")
end

-- How the transfer stands after all that has been read: computed anew only when more was read.
local function whole(attempt)
    local now = known.tracker
    local told = attempt.whole
    if not told or told.rows ~= now.rows then
        now:settle(attempt)
        told = { rows = now.rows, state = attempt:state(now.ended, now.stalled_s), missing = attempt:missing() }
        attempt.whole = told
    end
    return told
end

local function show_whole(tree, attempt)
    if is_wanted(tree, f.state) or is_wanted(tree, f.missing) then
        local told = whole(attempt)
        add(tree, f.state, told.state)
        if #told.missing > 0 then
            add(tree, f.missing, missing_text(told.missing))
        end
    end
end

local function show_hashes(tree, attempt)
    if is_wanted(tree, f.sha256) then
        add(tree, f.sha256, image.file_hash(attempt))
    end
    if is_wanted(tree, f.manufacturer_hash) then
        add(tree, f.manufacturer_hash, (image.manufacturer_hash(attempt)))
    end
end

local function percent(received, size)
    return size and size > 0 and floor(received * 10000 / size) / 100 or nil
end

local shows_transfer, shows_names = may_show(f.transfer), may_show(f.client, f.image)
local shows_received, shows_progress = may_show(f.received), may_show(f.progress)
local shows_more = may_show(
    f.attempt, f.server, f.image_size, f.state, f.missing, f.sha256, f.manufacturer_hash
)

-- `again`: the frame was taken in before. Reading on must not take long, so some is only shown then.
local function show_attempt(tree, m, record, attempt, again)
    local size, received = attempt:image_size(), record.received
    if shows_transfer then
        add(tree, f.transfer, attempt.id)
    end
    if shows_names then
        attempt.name = attempt.name or tracker.identity(attempt)
        add(tree, f.client, party(attempt.client))
        add(tree, f.image, attempt.name)
    end
    if shows_received then
        add(tree, f.received, received)
    end
    if received and shows_progress then
        add(tree, f.progress, percent(received, size))
    end
    if not shows_more then
        return
    end
    local steers = m.command ~= 0x03 and m.command ~= 0x05 or has(record.flags, tracker.COMPLETES)
    if not again and not steers then
        return
    end
    add(tree, f.attempt, attempt.count)
    add(tree, f.server, party(attempt.server))
    add(tree, f.image_size, size)
    show_whole(tree, attempt)
    if steers and (again or hashes_early) then
        show_hashes(tree, attempt)
    end
end

local FLAGS = {
    { tracker.BEGINS, f.begins },
    { tracker.RESUMES, f.resumes },
    { tracker.AGAIN, f.again },
    { tracker.BACK, f.back },
    { tracker.WAITS, f.waits },
    { tracker.COMPLETES, f.completes },
    { tracker.COPY, f.copy },
}

local function show_links(tree, record)
    local partner = record.partner
    if not partner then
        return
    elseif has(record.flags, tracker.COPY) then
        add(tree, f.copy_of, partner)
        return
    end
    add(tree, partner < record.frame and f.request_in or f.response_in, partner)
    if record.latency_us and is_wanted(tree, f.latency) then
        add(tree, f.latency, interval(record.latency_us))
    end
end

local function show_offsets(tree, m, record, again)
    add(tree, f.offset, m.offset)
    add(tree, f.expected, record.expected or again and m.offset or nil)
    if has(record.flags, tracker.SKIPS) and record.expected then
        add(tree, f.skipped, m.offset - record.expected)
    end
end

local function show_flags(tree, record)
    for i = 1, #FLAGS do
        if has(record.flags, FLAGS[i][1]) then
            add(tree, FLAGS[i][2], true)
        end
    end
    add(tree, f.conflicting, record.conflicting)
end

local shows_flags = may_show(f.conflicting, f.begins, f.resumes, f.again, f.back, f.waits, f.completes, f.copy)
local shows_offsets = may_show(f.offset, f.expected, f.skipped)

local function show_message(tree, m, record, again)
    local attempt = record.attempt and known.tracker.attempts[record.attempt]
    if attempt then
        show_attempt(tree, m, record, known.tracker:owner(attempt), again)
    end
    if shows_links then
        show_links(tree, record)
    end
    if shows_offsets and m.offset then
        show_offsets(tree, m, record, again)
    end
    if shows_flags and record.flags > 0 then
        show_flags(tree, record)
    end
    if record.flags >= MORE then
        add(tree, f.period, m.period)
        if m.command == 0x05 and m.status == ota.WAIT_FOR_DATA then
            add(tree, f.wait, max(m.request_time - m.current_time, 0))
        end
    end
end

-- Rules are told in any case: a statistic may collect expert items though no field is asked for.
local function show_rules(root, tree, m, flags)
    local broken, rule = rules.broken(flags, m.command), rules.of_message(m)
    for i = 1, #broken do
        tree = tree ~= root and tree or own_tree(root)
        tell_rule(tree, broken[i])
    end
    if rule then
        tell_rule(tree ~= root and tree or own_tree(root), rule)
    end
end

local function tell_progress(record, pinfo)
    local attempt, received = known.tracker.attempts[record.attempt], record.received
    local size = attempt:image_size()
    local share = size and size > 0 and floor(received * 100 / size) .. " %" or received .. " octets"
    pinfo.cols.info:append(" [transfer " .. attempt.id .. ", " .. share .. "]")
end

-- Whether a frame comes for the first time. tshark -2 may show fields only when it comes the second time.
local function is_new(frame, pinfo)
    if once then
        return true
    elseif not pinfo.visited then
        known.read_ahead = true
        return true
    end
    return not known.read_ahead and frame > known.last
end

local of_command = { [0x03] = {}, [0x05] = {} } -- messages, which are used again
local others = {}
local this -- our dissector: whether it, or any of its fields, is asked for

-- Where fields are shown: in a tree of ours, or beside Wireshark's where only they are asked for.
local function place_of_fields(root)
    if wanted then
        return wanted[proto] and own_tree(root) or root
    end
    visible = root.visible
    return (visible or root:referenced(this)) and own_tree(root)
end

local function show(m, record, pinfo, root, again)
    local tree = place_of_fields(root)
    if tree then
        show_message(tree, m, record, again)
    end
    if record.flags >= MORE then
        show_rules(root, tree, m, record.flags)
    end
    if not visible and tells_progress and record.received then
        tell_progress(record, pinfo)
    end
end

local function show_ota(zcl, aps, frame, pinfo, root)
    local octets = bytes_of(zcl)
    local m = ota.parse(octets, of_command[byte(octets, 3)] or others)
    if not m then
        return
    end
    local again = not is_new(frame, pinfo)
    local record
    if m.malformed then
        if not again then
            known.last = frame
            note(frame)
        end
        visible = root.visible
        tell_rule(root:add(proto, zcl.range), rules.of_malformed(m))
        return
    elseif again then
        record = known.log:find(frame)
    else
        record = follow(m, frame, pinfo.abs_ts, aps)
    end
    if record and (shows_twice or pinfo.visited) then
        show(m, record, pinfo, root, again)
    end
end

local PLAIN = { command = 0x05, status = ota.SUCCESS } -- a message of which its record tells all

-- Shows what is known of a frame that was taken in before; whether that is all there is to show.
local function show_again(frame, pinfo, root)
    local record = known.log:find(frame)
    if not record then
        return true
    elseif shows_offsets or record.flags >= MORE then
        return false
    end
    show(PLAIN, record, pinfo, root, true)
    return true
end

-- Whether a frame comes again and nothing of it need be read to show it.
local function is_shown_again(frame, pinfo, root)
    if frame > known.furthest then
        known.furthest = frame
    elseif frame == known.furthest and not pinfo.visited then
        known.renumbered = true -- a frame with this number did not pass the read filter
    else
        return known.read_ahead and not known.renumbered and show_again(frame, pinfo, root)
    end
    return false
end

-- GBCS in tunnels.

-- The data of a Transfer Data command, in either direction.
local function transfer_data(zcl)
    local control, _, command = zcl:byte(1, 3)
    if not command or control % 8 ~= 1 or command ~= (has(control, 8) and 0x01 or 0x02) then
        return nil
    end
    return zcl:sub(6)
end

local function read_gbcs(zcl)
    local data = transfer_data(zcl)
    if not data then
        return nil
    end
    data = gbcs.unwrap(data)
    local block = gbcs.block(data)
    if block then
        data = known.blocks:put(block)
    end
    local message = data and gbcs.message(data)
    local found = message and gbcs.firmware(message)
    if not found then
        return nil
    end
    found.message = message
    return found
end

-- Which device a message is about.
local function device_of(found)
    local message = found.message
    return found.device or (message.cra == 1 and message.target or message.originator)
end

-- Compares a hash with what the device received: a rule and the transfer; nothing if no whole image of it is there.
local function judge_hash(found)
    local device, compared = device_of(found), nil
    for i = #known.tracker.attempts, 1, -1 do
        local attempt = known.tracker.attempts[i]
        if eui64_text(attempt.client.eui64) == device and not attempt.refusal then
            local hash = image.manufacturer_hash(attempt)
            if hash == found.hash then
                return rules.SAME_HASH, attempt
            end
            compared = compared or hash and attempt
        end
    end
    return compared and (found.message.cra == 1 and rules.ORDER_HASH or rules.RECEIPT_HASH), compared
end

local function show_gbcs(found, range, root)
    local message = found.message
    visible = root.visible
    local tree = root:add(proto, range)
    tree:set_text("hanscope: " .. found.name)
    add(tree, f.use_case, found.name)
    add(tree, f.cra, gbcs.CRA[message.cra])
    add(tree, f.code, message.code)
    add(tree, f.originator, message.originator)
    add(tree, f.target, message.target)
    add(tree, f.counter, "0x" .. message.counter)
    if found.malformed then
        tell_rule(tree, rules.FORM)
        return
    end
    add(tree, f.alert, found.alert)
    add(tree, f.hash, found.hash)
    add(tree, f.execution, found.execution and (found.execution .. (found.cancels and " (cancels)" or "")))
    add(tree, f.outcome, found.outcome)
    add(tree, f.result, found.result)
    add(tree, f.firmware, found.version)
    add(tree, f.device, found.device)
    if found.alert == 0x8f1c then
        tell_rule(tree, rules.REFUSED)
    elseif found.outcome and found.outcome > 0 and found.name:find("Activat") then
        tell_rule(tree, rules.NOT_ACTIVATED, rules.NOT_ACTIVATED.text .. ": " .. tostring(found.result))
    end
    if found.hash then
        local rule, attempt = judge_hash(found)
        if rule then
            tell_rule(tree, rule)
            if rule == rules.SAME_HASH then
                add(tree, f.hash_of, "transfer " .. attempt.id)
            end
        end
    end
end

local function show_tunnel(zcl, frame, pinfo, root)
    local found
    if not is_new(frame, pinfo) then
        found = known.messages[frame]
    else
        known.last = frame
        found = read_gbcs(bytes_of(zcl))
        if found and #known.hashes < MESSAGES_KEPT then
            note(frame)
            found.frame = frame
            known.messages[frame] = found
            known.hashes[#known.hashes + 1] = found
        end
    end
    if found then
        show_gbcs(found, zcl.range, root)
    end
end

function proto.dissector(_, pinfo, root)
    if reports then
        known.tracker.ended = max(known.tracker.ended, pinfo.abs_ts)
    end
    local zcl = read_zcl()
    if not zcl then
        return
    end
    local frame = pinfo.number
    if not once and is_shown_again(frame, pinfo, root) then
        return
    end
    local aps = read_aps()
    if not aps then
        return
    end
    aps = bytes_of(aps)
    local control, _, low, high, higher = byte(aps, 1, 5)
    if control % 16 >= 12 then -- a group's address has two octets
        low, high = high, higher
    end
    local cluster = high and low + high * 256
    if cluster == 0x0019 then
        show_ota(zcl, aps, frame, pinfo, root)
    elseif cluster == 0x0704 then
        show_tunnel(zcl, frame, pinfo, root)
    end
end

if asked then
    register_postdissector(proto)
    this = Dissector.get("hanscope")
end

-- With one: Tools -> hanscope.

if gui_enabled() then
    module("window", report, image, function()
        return known
    end)
end
